"""Targets of the simulated car: its files, its whole brain behind an owner's channel, and what the radio hears."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bumble import hci
from bumble.device import Advertisement

from keygw.ble.bumble_backend import advertisement_data
from keygw.crypto.signer import thumbprint
from keygw.model.base64url import encode_base64url
from keygw.model.command import Action
from keygw.model.errors import BadInput, ProtocolError, StoreError, TokenError
from keygw.session.states import State
from keygw.wire import gatt
from keygw.wire.frame import MAX_FRAME, Fragmenter
from keygw.wire.messages import Cmd, MessageType, decode_chain, encode_chain, encode_sequence, encode_statements
from keygw.wire.ranging import Range, RangingMethod
from keygw_fuzz.script import Kind, Step, frames_of, join, steps_of
from keygw_fuzz.target import VALUE, Broken, Target
from keygw_fuzz.world import CAR, ISSUER, KID, VEHICLE
from keygw_sim.garage import Garage
from keygw_sim.head_unit.cards import Card
from keygw_sim.phone.living import path_of
from keygw_sim.ranging.ether import RemoteRadio, mark_of
from keygw_sim.ranging.geometry import ORIGIN
from keygw_sim.scenario.reader import parse
from keygw_sim.vehicle import chain, provisioning
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Memory
from keygw_sim.vehicle.orders import read_order
from keygw_sim.vehicle.provisioning import FILE


@cache
def _folder(name: str) -> Path:
    """One for each target and process; gone when the process ends."""
    holder = tempfile.TemporaryDirectory(prefix="keygw-fuzz-")
    _HELD.append(holder)
    folder = Path(holder.name) / name
    folder.mkdir()
    return folder


_HELD: list[tempfile.TemporaryDirectory[str]] = []


@cache
def _garage() -> Garage:
    """A car that knows an owner and a friend, and has a receipt of each."""
    garage = Garage(_folder("car")).enrol("owner", "friend")
    for who in ("owner", "friend"):
        garage.tries(who)
    return garage


def _document(memory: Memory) -> bytes:
    return json.dumps(memory.to_json()).encode()


def _load(data: bytes) -> Memory:
    """What the flash gives must be a memory that a car can start with and save again."""
    folder = _folder("flash")
    (folder / "vehicle.json").write_bytes(data)
    memory = Flash(folder).load()
    if memory is None:
        raise Broken("the file is there")
    if Memory.from_json(json.loads(_document(memory))).to_json() != memory.to_json():
        raise Broken("what was loaded cannot be saved and loaded again")
    for number in (memory.boot_epoch, memory.time_floor, memory.list_sequence, memory.receipt_sequence):
        if not number + 1 > 0:
            raise Broken("a counter that cannot count")
    return memory


def _provision(data: bytes) -> Memory:
    """A refused file leaves the memory as it was."""
    folder = _folder("provisioning")
    (folder / FILE).write_bytes(data)
    memory = copy.copy(_garage().brain.memory)
    memory.issuers, memory.owners, memory.vehicle_id = [], [], VEHICLE
    try:
        provisioning.take(folder, memory)
    except BadInput:
        if memory.issuers or memory.owners:
            raise Broken("a refused provisioning file has changed the memory") from None
        raise
    _document(memory)
    return memory


def _provisioning() -> list[bytes]:
    issuer = {
        "issuer": "https://keys.example",
        "kid": encode_base64url(KID),
        "public_key": encode_base64url(ISSUER.public_key),
    }
    plain = {"v": 1, "vehicle_id": VEHICLE, "issuer": issuer}
    later = plain | {"issuer": issuer | {"sequence": 3}}
    owner = {"owner_thumbprint": encode_base64url(thumbprint(CAR.public_key))}
    return [json.dumps(document).encode() for document in (plain, plain | owner, later)]


def _scenarios() -> list[bytes]:
    head = b"title: t\ncars: [{name: A, body: {locked: true}}]\n"
    return [
        head + b"steps: [{car: A, lets_pass: 2}, {car: A, shows: {speed: 0}}]\n",
        head + b"phones: [{name: P, owns: A}, {name: F, friend_of: P}]\n"
        b"steps: [{phone: P, asks: lock}, {car: A, does: {do: door, open: true}}, {revoke: F, carried_by: P}]\n",
    ]


def _orders() -> list[bytes]:
    return [b'{"do": "door", "open": true}', b'{"do": "drive", "kmh": 20.5}', b'{"do": "set", "body": {"speed": 0}}']


def _brain(script: bytes) -> State:
    """An owner's channel with anything in it. A frame that is refused leaves the flash as it was, and others alive."""
    garage = _garage()
    memory = garage.brain.memory.draft()
    brain = garage.brain = Brain(memory, Flash(garage.folder), garage.random, lambda: garage.monotonic)
    garage.trust()
    other, guest = garage.visit("friend"), garage.visit("owner")
    other.prove()
    guest.prove()
    file = garage.folder / "vehicle.json"
    fragmenter = Fragmenter()
    for _ in range(2):
        list(fragmenter.split(b"x", MAX_FRAME))
    for step in steps_of(script):
        if step.kind is Kind.SEALED:
            channel = guest.session._channel
            if channel is None or not step.data:
                continue
            step = Step(Kind.MESSAGE, step.data[:1] + channel.seal(step.data[0], step.data[1:]))  # noqa: PLW2901
        for frame in frames_of(step, fragmenter):
            before, open_before = file.read_bytes(), brain.authenticated(guest.conn)
            brain.frame(guest.conn, frame)
            refused = open_before and not brain.authenticated(guest.conn)
            if refused and file.read_bytes() != before:
                raise Broken("a refused frame has changed the flash")
            list(brain.outgoing(guest.conn, MAX_FRAME))
    if not brain.authenticated(other.conn):
        raise Broken("another session has died of it")
    ended = State.OPEN if brain.authenticated(guest.conn) else State.CLOSED
    garage.brain = Brain(memory, Flash(garage.folder), garage.random, lambda: garage.monotonic)
    return ended


def _scripts() -> Iterator[bytes]:
    garage = _garage()
    plain = [
        bytes((MessageType.CMD,)) + Cmd(77, Action.LOCK).encode(),
        bytes((MessageType.CMD,)) + Cmd(78, Action.ALLOW_PAIRING).encode(),
        bytes((MessageType.CMD,)) + Cmd(2**32 - 1, Action(250)).encode(),
        bytes((MessageType.RECEIPT_GET,)) + encode_sequence(0),
        bytes((MessageType.RANGE,)) + Range(1, RangingMethod.UWB).encode(),
        bytes((MessageType.RECEIPT_ACK,)) + encode_sequence(2**32 - 1),
    ]
    for one in plain:
        yield Step(Kind.SEALED, one).encode()
    yield join(Step(Kind.SEALED, one) for one in plain)
    for chained in _chains():
        yield Step(Kind.SEALED, bytes((MessageType.CRED_PUT,)) + chained).encode()
    yield Step(Kind.SEALED, bytes((MessageType.RL_PUSH,)) + garage.office.sign_list(garage.vehicle, 5)).encode()
    proof = garage.office.prove_time(garage.vehicle, bytes(8), garage.time, 9)
    yield Step(Kind.SEALED, bytes((MessageType.TIME_PROOF,)) + proof).encode()
    keys = encode_statements([garage.office.state(garage.signers[who].public_key) for who in ("owner", "friend")])
    yield Step(Kind.SEALED, bytes((MessageType.ISSUER_KEY,)) + keys).encode()
    yield join([Step.message(b"\x30" + bytes(40)), Step.raw(b"\x80\x30")])


def _chain(body: bytes) -> chain.Verified:
    """What a device says its shared key stands on: a chain that holds, or the one refusal."""
    garage = _garage()
    keeper = garage.brain._keeper
    return chain.verify(garage.claims("grandchild"), decode_chain(body), keeper.verify, garage.brain.memory.owners)


def _chains() -> Iterator[bytes]:
    garage = _garage()
    for who in ("friend", "grandchild"):
        yield encode_chain(garage.chain(garage.claims(who)))


def _heard(data: bytes) -> object:
    """What the radio gives: Bumble takes it apart, ours makes bleak's view of it and looks for the rotating id."""
    heard = Advertisement(address=hci.Address("C0:00:00:00:00:01"), rssi=-40, data_bytes=data)
    seen = advertisement_data(heard)
    return gatt.rotating_id(seen.local_name)


def _ether(line: bytes) -> None:
    """A line that is refused leaves the radio as it was."""
    radio = RemoteRadio()
    try:
        radio.hear(line)
    except ValueError:
        if any(True for _ in radio.arrivals(ORIGIN)) or any(True for _ in radio.tones(ORIGIN, bytes(16))):
            raise Broken("a refused line is heard") from None
        raise


def _ethers() -> list[bytes]:
    marked = {"at": [1, -2.5], "uwb": None, "tones": mark_of(bytes(16)).hex()}
    return [json.dumps(line).encode() for line in (marked, {"at": [0, 0], "uwb": "0f" * 64, "tones": None})]


def _json(data: bytes) -> object:
    """What is no JSON is for the caller of the parsers below."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _path(data: bytes) -> None:
    path_of(_json(data), 5.0).at(7.0)


def _card(data: bytes) -> None:
    """What is taken can be shown, and is what it says it is."""
    card = Card.from_json("App", "card", _json(data))
    told = card.to_json()
    del told["app"], told["app_name"], told["name"]
    if Card.from_json("App", "card", told) != card:
        raise Broken("a card is another when it is read again")


def _cards() -> list[bytes]:
    buttons = [{"name": "a", "label": "Yes"}, {"name": "b", "label": "No"}]
    card = {"template": "media", "title": "Title", "lines": ["one", ""], "buttons": buttons}
    return [json.dumps(card).encode(), b'{"template": "key", "title": "T"}']


TARGETS = [
    Target(
        "sim.flash", _load, (StoreError,), lambda: [_document(_garage().brain.memory)],
        longest=6000, steps=60000, slow=True,
    ),
    Target("sim.provisioning", _provision, (BadInput,), _provisioning, longest=600, slow=True, steps=20000),
    Target("sim.chain", _chain, (TokenError, ProtocolError), _chains, longest=1500, slow=True),
    Target("sim.brain", _brain, (), _scripts, longest=1500, steps=200000, slow=True),
    Target(
        "sim.scenario", lambda data: parse(data, "x"), (BadInput,), _scenarios, longest=400, steps=400000, slow=True,
    ),
    Target("sim.order", lambda data: read_order(json.loads(data)), (BadInput, ValueError), _orders, longest=200),
    Target("sim.ether", _ether, VALUE, _ethers, longest=400),
    Target("sim.path", _path, VALUE, lambda: [b"[[0, 40, 0], [25.5, 0.5, 1.9]]"], longest=200),
    Target("sim.card", _card, (BadInput, ValueError), _cards, longest=400),
    Target(
        "ble.advertisement", _heard, VALUE,
        lambda: [gatt.advertisement(bytes(range(6))), b"\x02\x01\x06", b"\x03\xff\x01\x02"], longest=80,
    ),
]  # fmt: skip
