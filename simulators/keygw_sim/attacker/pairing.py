"""Becoming an owner without being one: guessing the code, stealing the exchange, sitting in somebody's open car."""

from __future__ import annotations

import json
from dataclasses import replace

from keygw.credentials.service import CredentialService
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import device_id, thumbprint
from keygw.crypto.spake2plus import SECRET_BYTES, Prover
from keygw.model.base64url import encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import KeygwError, ProtocolError
from keygw.model.vehicle import Vehicle
from keygw.session.events import PairingOffered, SignatureNeeded, Ticketed
from keygw.session.pairing import PROVER, VERIFIER, context_of
from keygw.token.ticket import PairingTicket, sign_ticket
from keygw.wire.messages import MessageType
from keygw.wire.pairing import split_proof
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, code_of, one_of
from keygw_sim.attacker.tools import Middle, Stranger, answer_in, turned
from keygw_sim.chance import new_signer
from keygw_sim.pairing_rehearsal import secret_for
from keygw_sim.vehicle.pairing import ALLOWED_SECONDS, CODE_SECONDS, MOST_TRIES

COUNTED = "a try is counted on flash before the car's answer to it leaves; five, and the mode is closed"


def guess(scene: Scene, code: str, off: int = 1) -> str:
    """A thief tries a code that is near the right one."""
    visit = scene.pairing(f"{(int(code) + off) % 10**8:08d}", "stranger")
    came = came_of(visit, visit.ask)
    visit.leave()
    return came


def ownerless(scene: Scene) -> None:
    """``Breach`` if anybody has become an owner."""
    scene.must(not scene.garage.stored().owners, "the thief is an owner")


@attack(
    "code-guessed",
    "tries a code and cuts the car's power, so that it forgets that there was a try; then four more, and the right one",
    protects=f"a code ends with the power; {COUNTED}",
    expected="refused",
    recorded=(
        f"log: pairing_tried x{MOST_TRIES + 1}",
        f"log: session_ended refused x{MOST_TRIES + 1}",
        "log: refused pairing_closed x2",
        "log: pairing_closed too_many_tries",
    ),
    remains="five tries at one in 10^8 each time that somebody in the car opens pairing mode",
)
async def guessed(scene: Scene) -> str:
    garage = scene.unowned()
    code = scene.show_code()
    scene.strike()
    guess(scene, code)
    garage.reboot()
    came = {_tries(scene, code)}  # by now it knows the code, somehow
    code = scene.show_code()
    for number in range(MOST_TRIES):
        said = guess(scene, code, 1 + number)
        scene.must(said == "device: pairing_code_wrong", f"a wrong code: {said}")
    came.add(_tries(scene, code))
    ownerless(scene)
    return one_of(came)


@attack(
    "code-guessed-in-parallel",
    "guesses at eight connections at once, all asked before any is answered",
    protects=COUNTED,
    expected=f"{MOST_TRIES} of 8 answered",
    recorded=(
        f"log: pairing_tried x{MOST_TRIES}",
        "log: pairing_closed too_many_tries",
        "log: refused pairing_closed x3",
    ),
)
async def guessed_in_parallel(scene: Scene) -> str:
    scene.unowned()
    scene.show_code()
    visits = [scene.pairing(f"{number:08d}", "stranger") for number in range(8)]
    scene.strike()
    for visit in visits:
        visit.session.ask(scene.garage.monotonic)
    answered = 0
    for visit in visits:
        try:
            visit.carry()
        except ProtocolError:
            answered += 1
    ownerless(scene)
    return f"{answered} of 8 answered"


@attack(
    "code-guessed-offline",
    "records a pairing and tries codes against the recording, the right one among them",
    protects="SPAKE2+: what went over the air fits every code",
    expected="nothing fits",
)
async def guessed_offline(scene: Scene) -> str:
    garage = scene.unowned()
    code = scene.show_code()
    tape = Middle(garage.brain)
    visit = scene.pairing(code, "owner", meets=tape)
    visit.ask()
    scene.strike()
    hello, ask, salt, _, proof = (heard.message[1:] for heard in tape.heard[:5])
    context = context_of(sha256(tape.read_info + hello), ask, salt)
    share, confirmation = split_proof(proof)
    for guessed in (code, "00000000"):
        prover = Prover(secret_for(guessed, salt), garage.random(SECRET_BYTES), context, PROVER, VERIFIER)
        try:
            prover.finish(share).check_verifier(confirmation)
        except CryptoError:
            continue
        return f"{guessed} fits"
    return "nothing fits"


@attack(
    "code-overheard-late",
    "learns the code after it has served, after its 120 s, after a power cut, and of an older opening",
    protects="a code serves once, lives 120 s, and ends with the power",
    expected="device: pairing_code_wrong, refused",
    recorded=(
        "log: refused pairing_closed x3",
        "log: pairing_closed expired",
        "log: pairing_tried",
        "log: session_ended refused",
    ),
)
async def overheard_late(scene: Scene) -> str:
    garage = scene.unowned()
    came = set()
    served = scene.show_code()
    scene.pairing(served, "owner", token=None).ask()
    scene.strike()
    came.add(_tries(scene, served))
    late = scene.show_code()
    garage.time += CODE_SECONDS
    came.add(_tries(scene, late))
    cut = scene.show_code()
    garage.reboot()
    came.add(_tries(scene, cut))
    older = scene.show_code()
    scene.show_code()
    came.add(_tries(scene, older))
    ownerless(scene)
    return one_of(came)


@attack(
    "pairing-middle",
    "stands between the owner's new phone and the car, without the code: alters every message in turn",
    protects="both confirmations cover all that was said; ENROL is sealed with what came of it",
    expected="never paired",
    recorded=(
        "log: pairing_tried x15",
        "log: refused protocol_violation x8",
        "log: session_ended refused x6",
        "log: refused crypto_failed",
        "log: pairing_closed used x6",
    ),
)
async def middle(scene: Scene) -> str:
    kinds = (MessageType.PAIR_SHARE, MessageType.PAIR_PROOF, MessageType.ENROL, MessageType.PAIR_TICKET,
             MessageType.OWNER_TOKEN)  # fmt: skip
    garage = scene.unowned()
    scene.strike()
    for kind in kinds:
        for at in (5, 40, -1):

            def turn(message: bytes, kind: int = kind, at: int = at) -> tuple[bytes, ...]:
                return (turned(message, at),) if message[0] == kind else (message,)

            visit = scene.pairing(scene.show_code(), "owner", meets=Middle(garage.brain, up=turn, down=turn))
            came = came_of(visit, visit.ask)
            visit.leave()
            scene.must(came != "done", f"{kind.name} altered at {at}: {came}")
    ownerless(scene)
    return "never paired"


@attack(
    "pairing-hijacked",
    "races the owner: knows the code as well, is past the proof first, and enrols after the owner has",
    protects="the code serves one ticket",
    expected="refused",
    recorded=(
        "log: pairing_tried x2",
        "log: pairing_closed used",
        "log: owner_paired",
        "log: owner_token done",
        "log: refused pairing_closed",
    ),
    remains="who reads the code in the car while it is shown, and is faster, becomes the owner: then the owner's own "
    "pairing fails before the eyes of somebody sitting in the car",
)
async def hijacked(scene: Scene) -> str:
    garage = scene.unowned()
    code = scene.show_code()
    scene.strike()
    waiting: list[bytes] = []
    slow = scene.pairing(code, "stranger")
    act = slow._act
    slow._act = lambda event: (  # type: ignore[method-assign]  # it takes its time to sign
        waiting.append(event.message) if isinstance(event, SignatureNeeded) else act(event)
    )
    slow.ask()
    honest = scene.pairing(code, "owner")
    scene.must(came_of(honest, honest.ask) == "done", "the owner cannot pair")
    slow.session.sign(garage.signers["stranger"].sign(waiting[0]))
    came = came_of(slow, slow.carry)
    scene.must(garage.stored().owners == [thumbprint(garage.signers["owner"].public_key)], "the thief is an owner")
    return came


@attack(
    "ticket-stolen",
    "takes the ticket that the car signed for the owner's phone to the issuer, with a device key of its own, and once "
    "more with the owner's after it was used",
    protects="the ticket names device key, vehicle and transcript, and its counter is used once",
    expected="ticket_foreign, ticket_replayed",
    recorded=("event: key.issued", "event: key.pairing"),
)
async def ticket_stolen(scene: Scene) -> str:
    garage = scene.unowned()
    service = await scene.service()
    visit = scene.pairing(scene.show_code(), "owner", token=None).ask()
    ticketed = visit.last(Ticketed)
    ticket, transcript = ticketed.credential.ticket, ticketed.transcript
    thief, owner = (_phone(garage.signers[who].public_key) for who in ("stranger", "owner"))
    scene.strike()
    came = {await _asks_for_a_key(service, garage.vehicle, thief, ticket, transcript)}
    await _asks_for_a_key(service, garage.vehicle, owner, ticket, transcript)
    return one_of(came | {await _asks_for_a_key(service, garage.vehicle, owner, ticket, transcript)})


@attack(
    "ticket-of-a-false-car",
    "makes up a car that bears the name of the real one, pairs with it, and asks the issuer for an owner key",
    protects="a vehicle that is known is believed under the keys on record alone; an owner key names the vehicle key",
    expected="vehicle_exists",
)
async def ticket_of_a_false_car(scene: Scene) -> str:
    garage = scene.garage
    service = await scene.service()
    await service.register_vehicle(garage.vehicle)
    own, transcript = new_signer(garage.random), bytes(32)
    thief = _phone(garage.signers["stranger"].public_key)
    ticket = sign_ticket(PairingTicket(garage.vehicle.id, thumbprint(thief.public_key), transcript, 1), own)
    scene.strike()
    false = replace(garage.vehicle, public_key=own.public_key)
    return await _asks_for_a_key(service, false, thief, ticket, transcript)


@attack(
    "thief-in-an-unlocked-car",
    "sits in the owner's unlocked car, presses the button that opens pairing mode, reboots it and presses again",
    protects="an owned car asks an owner first, in a session of the owner's own",
    expected="owner_exists",
    recorded=("log: refused pairing_closed",),
)
async def in_an_unlocked_car(scene: Scene) -> str:
    garage = scene.garage
    garage.brain.set_body({"locked": False})
    scene.strike()
    came = {code_of(garage.brain.open_pairing)}
    garage.reboot()
    came.add(code_of(garage.brain.open_pairing))
    stranger = Stranger(garage.brain, scene.next_conn())
    scene.must(answer_in(stranger.say(bytes((MessageType.PAIR_ASK, 1)))) == "refused", "a code is offered")
    garage.brain.set_body({"locked": True})
    return one_of(came)


@attack(
    "thief-with-an-old-permission",
    "the owner allowed a pairing and thought better of it; a thief in the car presses the button when those ten "
    "minutes are over, or cuts the power within them so that the car forgets how many have passed",
    protects="a permission is counted in the car's own seconds, and ends with the power",
    expected="owner_exists",
)
async def with_an_old_permission(scene: Scene) -> str:
    garage = scene.garage
    scene.must(garage.tries("owner", Action.ALLOW_PAIRING) is Outcome.DONE, "nothing was allowed")
    garage.time += ALLOWED_SECONDS
    scene.strike()
    came = {code_of(garage.brain.open_pairing)}
    scene.must(garage.tries("owner", Action.ALLOW_PAIRING) is Outcome.DONE, "nothing was allowed")
    scene.strike()
    garage.reboot()
    return one_of(came | {code_of(garage.brain.open_pairing)})


@attack(
    "thief-with-the-factorys-file",
    "writes a provisioning file that names its own device as the owner's, into a car that has been paired",
    protects="a car that has ever been paired takes no owner from a file",
    expected="not_enrolled",
    recorded=("log: provisioned", "receipt: not_enrolled"),
    remains="who can write into the car's folder owns a car that was never paired, and can name another issuer to any",
)
async def with_the_factorys_file(scene: Scene) -> str:
    garage = scene.unowned()
    scene.pairing(scene.show_code(), "owner").ask()
    issuer = garage.office.key
    file = {
        "v": 1,
        "vehicle_id": garage.vehicle.id,
        "issuer": {
            "issuer": issuer.issuer,
            "kid": encode_base64url(issuer.kid),
            "public_key": encode_base64url(issuer.public_key),
        },
        "owner_thumbprint": encode_base64url(thumbprint(garage.signers["stranger"].public_key)),
    }
    (garage.folder / "provisioning.json").write_text(json.dumps(file))
    scene.strike()
    return garage.tries("stranger").label


@attack(
    "pairing-asked-in-vain",
    "asks a car that shows no code, again and again, whether it does",
    protects="it gets the one refusal, without a salt",
    expected="refused",
    recorded=("log: refused pairing_closed x3",),
)
async def asked_in_vain(scene: Scene) -> str:
    came = set()
    scene.strike()
    for _ in range(3):
        visit = scene.pairing("00000000", "stranger")
        came.add(came_of(visit, visit.ask))
        scene.must(not [event for event in visit.heard if isinstance(event, PairingOffered)], "a salt is given")
    return one_of(came)


async def _asks_for_a_key(
    service: CredentialService, vehicle: Vehicle, device: Device, ticket: bytes, transcript: bytes
) -> str:
    """Somebody takes that ticket to the issuer; the refusal."""
    try:
        await service.pair_owner(vehicle, device, ticket, transcript)
    except KeygwError as error:
        return error.code
    return "an owner key"


def _tries(scene: Scene, code: str) -> str:
    visit = scene.pairing(code, "stranger")
    came = came_of(visit, visit.ask)
    visit.leave()
    return came


def _phone(public_key: bytes) -> Device:
    return Device(device_id(public_key), DeviceKind.PHONE, public_key)
