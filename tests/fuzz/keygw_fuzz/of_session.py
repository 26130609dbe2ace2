"""Targets that are whole sessions: a true conversation up to some point, and from there on whatever the script says.

First byte: how far the honest peer comes before the script takes its place. Then the script (``script.py``), whose
SEALED steps are what a peer with a good key may send: a plaintext of its choice under the true channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from keygw.crypto.agreement import EphemeralKey
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.session.channel import Channel
from keygw.session.core import Session
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Commanded,
    Enrolled,
    Event,
    FastRefused,
    Greeted,
    IssuerKeysBrought,
    ListPushed,
    OwnerTokenBrought,
    PairingAsked,
    PairingOffered,
    PairingTried,
    Presented,
    PresentedFast,
    RangeAsked,
    ReceiptsWanted,
    SignatureNeeded,
    Ticketed,
)
from keygw.session.fast import open_channel
from keygw.session.pairing import pairing_channel
from keygw.session.states import Side, State
from keygw.wire.frame import MAX_FRAME, Fragmenter
from keygw.wire.messages import (
    FAST_RESULT_BYTES,
    Cmd,
    FastCommand,
    FastResult,
    LinkKind,
    MessageType,
    Reading,
    Receipts,
    Res,
    Result,
    TimeState,
    encode_event,
    encode_sequence,
    encode_statements,
)
from keygw.wire.pairing import Attestation, Credential, Enrol, encode_outcome
from keygw.wire.ranging import NOTHING_FOUND
from keygw_fuzz.script import Kind, Step, frames_of, join, steps_of
from keygw_fuzz.target import Broken, Target
from keygw_fuzz.world import CAR, DEVICE, VEHICLE, SteadyPairingStage, SteadyStage
from keygw_sim.pairing_rehearsal import secret_for
from keygw_sim.rehearsal import sent_before

ROAD = (
    State.SILENT, State.GREETED, State.ASKED, State.PROVEN, State.SHOWN, State.OPEN, State.HURRIED, State.QUICK,
)  # fmt: skip
PAIRING = (
    State.SILENT, State.GREETED, State.PAIRING, State.OFFERED, State.SHARED, State.CONFIRMED, State.ENROLLED,
    State.TICKETED, State.DELIVERED, State.PAIRED,
)  # fmt: skip
FIRST = Cmd(1, Action.UNLOCK)


@dataclass
class Scene:
    """``session``: the one under test. ``act``: answers its events as a driver does. ``sealer``: seals as its peer."""

    session: Session
    act: Callable[[Event], None]
    heard: int
    """Frames that have come from the peer."""
    now: float
    sealer: Callable[[int, bytes], bytes | None]
    events: list[Event] = field(default_factory=list)

    def play(self, script: bytes) -> State:
        """Every step of the script, and after each the promises of ``Session``."""
        fragmenter = Fragmenter()
        for _ in range(self.heard):
            list(fragmenter.split(b"x", MAX_FRAME))
        list(self.session.frames(MAX_FRAME))
        for step in steps_of(script):
            self.now += step.pause
            if step.kind is Kind.SEALED:
                sealed = self._seal(step.data)
                if sealed is None:
                    continue
                step = Step(Kind.MESSAGE, sealed)  # noqa: PLW2901 - the same step, as it goes on the air
            for frame in frames_of(step, fragmenter):
                self._hear(frame)
        return self.session.state

    def _hear(self, frame: bytes) -> None:
        before = self.session.state
        try:
            for event in self.session.receive(frame, self.now):
                self.events.append(event)
                self.act(event)
        except ProtocolError as error:
            if self.session.state is not State.CLOSED:
                raise Broken(f"refused ({error}), and not closed") from error
        said = list(self.session.frames(MAX_FRAME))
        if before is State.CLOSED and (said or self.session.state is not before):
            raise Broken("a closed session spoke")
        kept = self.session._reassembler._parts
        if kept is not None and len(kept) > self.session._reassembler.limit:
            raise Broken("more is kept than the limit allows")

    def _seal(self, data: bytes) -> bytes | None:
        if not data:
            return None
        body = self.sealer(data[0], data[1:])
        return None if body is None else data[:1] + body


def _by(channel: Callable[[], Channel | None]) -> Callable[[int, bytes], bytes | None]:
    def seal(kind: int, plaintext: bytes) -> bytes | None:
        found = channel()
        return None if found is None else found.seal(kind, plaintext)

    return seal


def _session(side: Side, reached: State) -> Scene:
    stage = SteadyStage().reach(reached)
    sent = sent_before(reached, side.other)

    def act_car(event: Event) -> None:
        match event:
            case SignatureNeeded(message):
                stage.car.sign(stage.vehicle_signer.sign(message))
            case Presented(claims):
                if claims != stage.claims:
                    raise Broken("somebody was presented who is not there")
                stage.answer(event)
            case PresentedFast():
                stage.car.answer_fast(FastResult(Outcome.DONE, 1, 0))
            case Commanded(command):
                stage.car.respond(Res(command.number, Outcome.DONE, 1))
                stage.car.tell([Reading(SignalId.SPEED, 0.0, 1)])
            case ReceiptsWanted():
                stage.car.give_receipts(Receipts((b"receipt",), False))
            case ListPushed():
                stage.car.acknowledge_list(b"ack")
            case IssuerKeysBrought():
                stage.car.acknowledge_issuer_key(b"ack")
            case RangeAsked():
                stage.car.answer_range(NOTHING_FOUND)

    def act_device(event: Event) -> None:
        match event:
            case Greeted():
                stage.device.begin(stage.now)
            case SignatureNeeded(message):
                stage.device.sign(stage.device_signer.sign(message))
            case Answered() | AnsweredFast():
                stage.device.command(FIRST)
            case FastRefused():
                stage.device.request_hello()

    def seal_fast(kind: int, plaintext: bytes) -> bytes | None:
        """Who has a fast key can say anything in FAST."""
        if kind != MessageType.FAST:
            return _by(lambda: stage.device._channel)(kind, plaintext)
        own, greeting = EphemeralKey(b"\x77" * 32), stage.info + stage.car._hello
        tag = stage.fast_key.tag(greeting, own.public)
        g_v = stage.car._hello[17:49]
        stage.device._channel, _ = open_channel(
            Side.DEVICE, stage.fast_key, own, g_v, vehicle_id=stage.vehicle.id, greeting=greeting, tag=tag,
            g_d=own.public,
        )  # fmt: skip
        return tag + own.public + stage.device._channel.seal(kind, plaintext)

    if side is Side.VEHICLE:
        if reached is State.SILENT:
            stage.car.greet(7)
        return Scene(stage.car, act_car, sent, stage.now, seal_fast)
    if reached in (State.OPEN, State.QUICK):
        stage.device.command(FIRST)
    return Scene(stage.device, act_device, sent, stage.now, _by(lambda: stage.car._channel))


def _pairing(side: Side, reached: State) -> Scene:
    stage = SteadyPairingStage().run(reached)
    sent = sent_before(reached, side.other)

    def seal_enrol(kind: int, plaintext: bytes) -> bytes | None:
        """Who knows the code can say anything in ENROL."""
        device = stage.device
        if device._keys is not None:
            proof = device._keys.confirm_prover
            device._channel = pairing_channel(Side.DEVICE, device._keys, device._proven)
            device._keys = None
            return proof + device._channel.seal(kind, plaintext)
        return None if device._channel is None else device._channel.seal(kind, plaintext)

    def act_car(event: Event) -> None:
        if isinstance(event, PairingAsked | PairingTried | Enrolled | OwnerTokenBrought):
            stage.act_car(event)
        elif isinstance(event, SignatureNeeded):
            stage.car.sign(stage.vehicle_signer.sign(event.message))

    def act_device(event: Event) -> None:
        match event:
            case Greeted():
                stage.device.ask(stage.now)
            case PairingOffered(salt):
                # A salt of the script's own would cost the whole stretching of a code each time.
                stage.device.share(secret_for(stage.code, salt if salt == stage.salt else stage.salt))
            case SignatureNeeded(message):
                stage.device.sign(stage.device_signer.sign(message))
            case Ticketed():
                stage.device.bring(stage.token)

    if side is Side.VEHICLE:
        if reached is State.SILENT:
            stage.car.greet(7)
        return Scene(stage.car, act_car, sent, stage.now, seal_enrol)
    return Scene(stage.device, act_device, sent, stage.now, _by(lambda: stage.car._channel))


def _target(name: str, side: Side, road: Sequence[State], scene: Callable[[Side, State], Scene]) -> Target:
    def take(data: bytes) -> State:
        reached = road[data[0] % len(road)] if data else road[0]
        return scene(side, reached).play(data[1:])

    def seeds() -> Iterator[bytes]:
        talk = _talk(side, scene)
        if name == "vehicle":
            yield b"\x00" + join(Step.message(message) for message in _talk(side, scene, kept=True))
        for place, state in enumerate(road):
            sent = scene(side, state).heard
            yield bytes((place,)) + join(Step.message(message) for message in talk[sent:])
            if state is State.HURRIED and side is Side.DEVICE:
                yield (
                    bytes((place,))
                    + Step.message(bytes((MessageType.FAST_RESULT,)) + bytes(FAST_RESULT_BYTES)).encode()
                )
            yield bytes((place,)) + join(Step(Kind.SMALL, message, 1.5) for message in talk[sent : sent + 2])
            for plaintext in PLAIN[name]:
                yield bytes((place,)) + Step(Kind.SEALED, plaintext).encode()

    covers = ("session.core.Session.receive", "session.channel.Channel.open", "session.fast.open_channel")
    return Target(f"session.{name}", take, (), seeds, covers=covers, longest=1500, steps=30000, slow=True)


def _talk(side: Side, scene: Callable[[Side, State], Scene], *, kept: bool = False) -> list[bytes]:
    """What the other side says in the true conversation, by message. ``kept``: it names its token by the kid."""
    if scene is _pairing:
        pairing = SteadyPairingStage().run()
        return [message for who, message in pairing.messages if who == side.other.value]
    said: list[bytes] = []
    stage = SteadyStage()

    def note(frame: bytes) -> bytes:
        said.append(frame[1:])
        return frame

    def exchange() -> None:
        while frames := [*stage.car.frames(MAX_FRAME)]:
            for frame in frames:
                stage.to_device(note(frame) if side is Side.DEVICE else frame)
            for frame in list(stage.device.frames(MAX_FRAME)):
                stage.to_car(note(frame) if side is Side.VEHICLE else frame)

    stage.car.greet(7)
    exchange()
    speeches: tuple[Callable[[], None], ...] = (
        lambda: stage.device.begin(stage.now, FIRST if side is Side.VEHICLE else None, kept=kept),
        lambda: stage.device.command(FIRST),
        lambda: stage.device.push_list(b"list"),
    )
    for speak in speeches:
        speak()
        for frame in list(stage.device.frames(MAX_FRAME)):
            stage.to_car(note(frame) if side is Side.VEHICLE else frame)
        if stage.car.state is State.OPEN and stage.heard_by_car[-1:] and isinstance(stage.heard_by_car[-1], Commanded):
            stage.car.respond(Res(1, Outcome.DONE, 1))
        exchange()
    return said


def _plain(kind: MessageType, *bodies: bytes) -> list[bytes]:
    return [bytes((kind,)) + body for body in bodies]


def _plaintexts() -> dict[str, list[bytes]]:
    """Good contents of the channel by target: the true peer's, for the fuzzers to bend."""
    return {
        "vehicle": [
            *_plain(MessageType.CMD, Cmd(1, Action.UNLOCK).encode(), Cmd(2**32 - 1, Action(99)).encode()),
            *_plain(MessageType.RECEIPT_GET, encode_sequence(0)),
            *_plain(MessageType.RECEIPT_ACK, encode_sequence(1)),
            *_plain(MessageType.RL_PUSH, b"list"),
            *_plain(MessageType.TIME_PROOF, b"proof"),
            *_plain(MessageType.ISSUER_KEY, encode_statements([b"statement"])),
            *_plain(MessageType.FAST, FastCommand(FIRST, LinkKind.RELAYED, True).encode()),
        ],
        "device": [
            *_plain(MessageType.RESULT, Result(Outcome.DONE, None, 1, 0, bytes(8), TimeState.FLOOR).encode()),
            *_plain(MessageType.FAST_RESULT, FastResult(Outcome.DONE, 1, 0).encode()),
            *_plain(MessageType.RES, Res(1, Outcome.DONE, 1).encode()),
            *_plain(MessageType.EVENT, encode_event([Reading(SignalId.SPEED, 1.5, 9)])),
            *_plain(MessageType.RECEIPT, Receipts((b"receipt",), False).encode()),
            *_plain(MessageType.RL_ACK, b"ack"),
            *_plain(MessageType.ISSUER_KEY_ACK, b"ack"),
        ],
        "pairing.vehicle": [
            *_plain(MessageType.ENROL, Enrol(DEVICE.public_key, bytes(64), Attestation("f", b"e")).encode()),
            *_plain(MessageType.OWNER_TOKEN, b"token"),
        ],
        "pairing.device": [
            *_plain(MessageType.PAIR_TICKET, Credential(b"t", VEHICLE, CAR.public_key, bytes(16)).encode()),
            *_plain(MessageType.OWNER_TOKEN, encode_outcome(Outcome.DONE)),
        ],
    }


PLAIN = _plaintexts()
TARGETS = [
    _target("vehicle", Side.VEHICLE, ROAD, _session),
    _target("device", Side.DEVICE, ROAD, _session),
    _target("pairing.vehicle", Side.VEHICLE, PAIRING, _pairing),
    _target("pairing.device", Side.DEVICE, PAIRING, _pairing),
]
