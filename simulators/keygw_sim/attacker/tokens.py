"""Key tokens that are stolen, out of time, ended, forged, altered, or something else altogether."""

from __future__ import annotations

from functools import partial

from keygw.model.command import Action
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.session.device import KeyInHand
from keygw.token.claims import KeyClaims
from keygw.token.envelope import KEY_TOKEN
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.attacker.tools import Forger, turned
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, Office


def shows(scene: Scene, hand: KeyInHand, who: str = "stranger") -> str:
    """Somebody shows that token, proves that device key, and unlocks."""
    visit = scene.bring(hand, scene.garage.signers[who])
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


def uses(scene: Scene, who: str, **changes: object) -> str:
    """Somebody uses its own key, with those changes to its claims; the issuer has signed them."""
    visit = scene.garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "token-stolen",
    "has the owner's key token, and a device key of its own",
    protects="the token is bound to a device key, which signs the handshake",
    expected="refused",
    recorded=("log: refused protocol_violation",),
)
async def stolen(scene: Scene) -> str:
    scene.strike()
    return shows(scene, scene.garage.office.hand(scene.garage.claims("owner")))


@attack(
    "token-named-by-its-number",
    "names the token that the car keeps for the owner, by its index, and signs with a device key of its own",
    protects="the car puts the token that it keeps into what is signed, and verifies with the device key in it",
    expected="refused",
    recorded=("log: refused protocol_violation x9",),
)
async def named_by_its_number(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    came = set()
    scene.strike()
    for index in range(1, 10):
        guessed = garage.office.hand(garage.claims("owner", index=index))
        visit = scene.bring(guessed, garage.signers["stranger"])
        came.add(came_of(visit, partial(visit.prove, Action.UNLOCK, kept=True)))
    return one_of(came)


@attack(
    "token-kept-too-long",
    "names its token by number after it was replaced by a narrower one, after the list that revokes it has come, and "
    "after the car was told of another issuer key",
    protects="a kept token is judged and verified anew each time; the newest one is kept",
    expected="key_revoked, refused",
    recorded=(
        "log: refused protocol_violation",
        "log: list_accepted 1",
        "log: refused unknown_issuer",
        "receipt: key_revoked",
    ),
)
async def kept_too_long(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    wide = garage.visit("owner")
    narrow = garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=PROFILES["access"])
    narrow.prove()
    scene.strike()
    came = {came_of(wide, partial(wide.prove, Action.OPEN_TRUNK, kept=True))}
    garage.bring(1, revoked=(2,))
    friend = garage.visit("friend")
    came.add(came_of(friend, partial(friend.prove, Action.UNLOCK, kept=True)))
    last = garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=PROFILES["access"])
    _change_issuer(garage)
    came.add(came_of(last, partial(last.prove, Action.UNLOCK, kept=True)))
    return one_of(came)


@attack(
    "token-expired",
    "uses a key whose time is over",
    protects="exp, by the car's time",
    expected="key_expired",
    recorded=("receipt: key_expired",),
)
async def expired(scene: Scene) -> str:
    scene.strike()
    return uses(scene, "owner", expires_at=int(scene.garage.time))


@attack(
    "token-not-yet-valid",
    "uses a key before its time",
    protects="nbf, by the car's time",
    expected="key_not_yet_valid",
    recorded=("receipt: key_not_yet_valid",),
)
async def not_yet_valid(scene: Scene) -> str:
    scene.strike()
    return uses(scene, "owner", not_before=int(scene.garage.time) + 1)


@attack(
    "token-revoked",
    "uses a key that the car's list names as revoked",
    protects="the list on the car's flash, at every authentication and every command",
    expected="key_revoked",
    recorded=("receipt: key_revoked",),
)
async def revoked(scene: Scene) -> str:
    scene.garage.enrol("owner", "friend").bring(1, revoked=(2,))
    scene.strike()
    return uses(scene, "friend")


@attack(
    "token-suspended",
    "uses a key that is suspended",
    protects="the list on the car's flash",
    expected="key_suspended",
    recorded=("receipt: key_suspended",),
)
async def suspended(scene: Scene) -> str:
    scene.garage.enrol("owner", "friend").bring(1, suspended=(2,))
    scene.strike()
    return uses(scene, "friend")


@attack(
    "token-of-an-older-epoch",
    "uses a key that was issued before everything was called in",
    protects="the list's minimum epoch and its issued-before mark end keys that it does not name one by one",
    expected="key_revoked",
    recorded=("log: list_accepted 2", "receipt: key_revoked x2"),
)
async def older_epoch(scene: Scene) -> str:
    came = set()
    garage = scene.garage
    garage.enrol("owner", "friend")
    visit = garage.visit("owner", epoch=1)  # the car keeps the owners that it has met in the new epoch
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, min_epoch=1))
    scene.strike()
    came.add(uses(scene, "friend"))
    visit = garage.visit("owner", epoch=1)
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2, issued_before=ISSUED_AT + 1))
    came.add(uses(scene, "friend", epoch=1))
    return one_of(came)


@attack(
    "token-of-another-car",
    "shows a car the key token of another car, and one with this car's id and another car's key",
    protects="the token names the vehicle and the thumbprint of the vehicle key",
    expected="refused",
    recorded=("log: refused wrong_audience x2",),
)
async def of_another_car(scene: Scene) -> str:
    garage, other = scene.garage, scene.second_car()
    theirs = other.claims("owner")
    mixed = garage.claims("owner", vehicle_thumbprint=theirs.vehicle_thumbprint)
    scene.strike()
    return one_of({shows(scene, garage.office.hand(claims), "owner") for claims in (theirs, mixed)})


@attack(
    "token-of-a-foreign-issuer",
    "shows a token that another issuer has signed, for this very car and the thief's own device key",
    protects="the car trusts the issuers that it was given, by their keys",
    expected="refused",
    recorded=("log: refused unknown_issuer",),
)
async def foreign_issuer(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    forger = Forger(garage.office, garage.random)
    scene.strike()
    return shows(scene, forger.office.hand(_wished(garage)))


@attack(
    "token-in-the-issuers-name",
    "signs a token with a key of its own under the kid of the real issuer",
    protects="the signature is verified with the key that the car knows by that kid",
    expected="refused",
    recorded=("log: refused token_signature",),
)
async def in_the_issuers_name(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    forger = Forger(garage.office, garage.random)
    scene.strike()
    return shows(scene, forger.token_under_the_issuers_name(_wished(garage), garage.claims("owner")))


@attack(
    "token-of-a-retired-key",
    "shows a token that the issuer signed with a key which the car has been told to trust no more",
    protects="only keys in the car's list of issuers count; who signed once does not",
    expected="refused",
    recorded=("log: refused unknown_issuer",),
    remains="a car hears that a key is retired in the statement of the next one: see issuer keys",
)
async def of_a_retired_key(scene: Scene) -> str:
    garage = scene.garage
    token = garage.office.hand(garage.claims("owner"))
    _change_issuer(garage)
    scene.strike()
    return shows(scene, token, "owner")


@attack(
    "token-altered",
    "changes its own friend key byte by byte: to be an owner's, to last, to allow everything",
    protects="the issuer's signature over every byte, and a form that has one encoding only",
    expected="refused",
    recorded=("log: refused token_signature x66",),
)
async def altered(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    hand = garage.office.hand(garage.claims("friend"))
    payload = KEY_TOKEN.open(hand.token).payload
    start = hand.token.index(payload)
    came = set()
    scene.strike()
    for at in range(0, len(payload), 2):
        came.add(shows(scene, KeyInHand(hand.key_id, turned(hand.token, start + at), hand.device_key), "friend"))
    return one_of(came)


@attack(
    "token-of-another-purpose",
    "shows, as a key token, what was signed for something else: a revocation list, an acknowledgement, a receipt",
    protects="every signed object says in its protected header what it is",
    expected="refused",
    recorded=("log: refused wrong_type x3",),
)
async def of_another_purpose(scene: Scene) -> str:
    garage = scene.garage
    ack = garage.bring(1)
    garage.tries("owner", Action.FLASH_LIGHTS)
    objects = [garage.office.sign_list(garage.vehicle, 2), ack, garage.brain.memory.receipts[-1].signed]
    key = garage.signers["owner"].public_key
    scene.strike()
    return one_of({shows(scene, KeyInHand(garage.key("owner"), signed, key), "owner") for signed in objects})


@attack(
    "token-with-an-invalid-point",
    "has a token signed whose device key is no point of the curve",
    protects="the point is checked when the token is read",
    expected="refused",
    recorded=("log: refused token_malformed",),
)
async def invalid_point(scene: Scene) -> str:
    garage = scene.garage
    claims = garage.claims("owner", device_key=b"\x02" + b"\xff" * 32, key_id=garage.key("owner"))
    scene.strike()
    return shows(scene, garage.office.hand(claims), "owner")


@attack(
    "token-of-a-stranger",
    "shows an owner token that the real issuer signed by mistake, for a device that never paired with the car",
    protects="owners are named on the car's flash, by pairing; the issuer alone makes none",
    expected="not_enrolled",
    recorded=("receipt: not_enrolled",),
)
async def of_a_stranger(scene: Scene) -> str:
    scene.strike()
    return uses(scene, "stranger")


@attack(
    "token-of-a-new-role",
    "shows a token with a role that this car does not know",
    protects="what is not known grants nothing",
    expected="not_enrolled",
    recorded=("receipt: not_enrolled",),
)
async def of_a_new_role(scene: Scene) -> str:
    scene.strike()
    return uses(scene, "owner", role=Role(77))


def _wished(garage: Garage) -> KeyClaims:
    """What a thief would have the issuer sign: a friend key of the owner's, for its own device, that may everything."""
    return garage.claims("friend", device_key=garage.signers["stranger"].public_key, entitlements=PROFILES["owner"])


def _change_issuer(garage: Garage) -> None:
    """The car is provisioned anew: the issuer has another key, and the old one is gone."""
    old = garage.brain.memory.issuers[0]
    garage.office = Office(garage.random, old.issuer)
    garage.brain.memory.issuers[:] = [type(old)(old.issuer, garage.office.kid, garage.office.key.public_key)]
