"""Friends who want more than they were given: more rights, deeper sharing, longer than the key they stand on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keygw.model.command import Action
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.session.events import ReceiptsGiven
from keygw.token.receipt import verify_receipt
from keygw.wire.messages import Chain
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, code_of, one_of
from keygw_sim.attacker.sessions import asks
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME

CHAIN = "the car checks every link of the chain up to the owner, whatever the issuer has signed"
WIDE: dict[str, Any] = {"entitlements": PROFILES["owner"]}


def uses(scene: Scene, who: str, action: Action = Action.UNLOCK, **changes: Any) -> str:
    """That friend uses its key, with those changes to its claims; the issuer has signed them."""
    visit = scene.garage.visit(who, **changes)
    came = came_of(visit, lambda: visit.prove(action, number=visit.conn))
    visit.leave()
    return came


@attack(
    "friend-asks-for-more",
    "a friend who may lock and unlock opens the trunk and starts the engine",
    protects="the entitlements in the key token, by the car itself",
    expected="not_entitled",
    recorded=("receipt: not_entitled x2",),
)
async def asks_for_more(scene: Scene) -> str:
    scene.garage.enrol("owner")
    scene.strike()
    return one_of({uses(scene, "friend", action) for action in (Action.OPEN_TRUNK, Action.START_ENGINE)})


@attack(
    "friend-with-a-wider-key",
    "has a friend key, and has shared it on, from when the owner key could do more than now",
    protects="rights are cut to those of every parent, at every command",
    expected="not_entitled",
    recorded=("receipt: not_entitled x2",),
)
async def with_a_wider_key(scene: Scene) -> str:
    garage = scene.garage
    for who in ("friend", "grandchild"):
        garage.visit(who, **WIDE).prove()
    narrow = PROFILES["access"] | Entitlement.KEY_SHARE
    garage.visit("owner", entitlements=narrow, issued_at=ISSUED_AT + 10).prove()
    scene.strike()
    return one_of({uses(scene, who, Action.START_ENGINE, **WIDE) for who in ("friend", "grandchild")})


@attack(
    "friend-key-by-the-issuer-alone",
    "has the issuer's key, and makes friend keys for its own phone: with no grant; with one by that phone, by the "
    "issuer, by an owner of its own making; with a true one for somebody else, for less, for a shorter time",
    protects=CHAIN + ": a grant by the device above for this very device, up to an owner's that was paired here",
    expected="chain_refused, chain_required",
    recorded=(
        "log: chain_refused token_signature x2",
        "log: chain_refused grant_foreign x2",
        "log: chain_refused grant_wider",
        "log: chain_refused grant_outlived",
    ),
    remains="what a device has really granted, the issuer can give that device again, until the grant ends",
)
async def by_the_issuer_alone(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    scene.strike()
    office, owner, phone = garage.office, garage.claims("owner"), garage.signers["stranger"]
    key: dict[str, Any] = {"role": Role.FRIEND, "depth": 1, "parent_id": owner.key_id, "index": 9}
    mine = garage.claims("stranger", **key)
    made_up = replace(owner, device_key=phone.public_key)
    truly = garage.signers["owner"]
    chains: list[Chain] = [
        (),
        (office.link(owner, phone, mine),),
        (office.link(owner, office.signer, mine),),
        (office.link(made_up, phone, mine),),
        garage.chain(garage.claims("friend")),
        (office.link(owner, truly, mine, entitlements=PROFILES["delivery"]),),
        (office.link(owner, truly, mine, expires_at=mine.expires_at - 1),),
    ]
    return one_of({uses(scene, "stranger", chain=chain, **key) for chain in chains})


@attack(
    "friend-becomes-owner",
    "a friend with every entitlement allows a pairing, to make its own phone an owner's",
    protects="being an owner cannot be shared, and the car opens no pairing mode without an owner's word",
    expected="not_entitled, owner_exists",
    recorded=("receipt: not_entitled",),
)
async def becomes_owner(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    scene.strike()
    came = {uses(scene, "friend", Action.ALLOW_PAIRING, entitlements=PROFILES["owner"])}
    return one_of(came | {code_of(garage.brain.open_pairing)})


@attack(
    "friend-reads-the-log",
    "a friend asks for everybody's receipts, to learn when the owner comes and goes",
    protects="a friend reads the receipts of its own key",
    expected="its own receipts",
)
async def reads_the_log(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    scene.owner_uses_the_car()
    visit = garage.visit("friend")
    visit.prove(Action.LOCK)
    scene.strike()
    visit.session.ask_receipts(0)
    visit.carry()
    signed = visit.last(ReceiptsGiven).receipts.signed
    keys = {verify_receipt(one, garage.vehicle.public_key).key_id for one in signed}
    return "its own receipts" if keys == {garage.key("friend")} else "other people's receipts"


@attack(
    "friend-erases-the-log",
    "a friend acknowledges receipts that it has read, and all others, so that the car forgets them",
    protects="only an owner's device frees the log, and the newest receipt stays",
    expected="3 receipts kept",
)
async def erases_the_log(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    scene.owner_uses_the_car()
    visit = garage.visit("friend")
    visit.prove(Action.LOCK)
    scene.strike()
    visit.session.ask_receipts(0)
    visit.carry()
    visit.session.acknowledge_receipts(2**32 - 1)
    visit.carry()
    return f"{len(garage.stored().receipts)} receipts kept"


@attack(
    "share-too-deep",
    "shares a key that may not be shared, and one that stands on nobody, on a stranger, on the wrong depth",
    protects=CHAIN + ": depth is the parent's plus one and within what the parent allows",
    expected="chain_refused, chain_required, not_enrolled",
    recorded=("log: chain_refused grant_depth x2", "receipt: not_enrolled"),
)
async def too_deep(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    garage.visit("friend", max_depth=1).prove()
    scene.strike()
    return one_of(
        {
            uses(scene, "grandchild"),  # of a friend who may not share
            uses(scene, "friend", depth=0, parent_id=None),
            uses(scene, "friend", parent_id="key_" + "b" * 16),
            uses(scene, "friend", depth=2, max_depth=2),
        }
    )


@attack(
    "grant-outlives-its-parent",
    "has a friend key that is to last longer than the key it was shared from, and waits for that one's end",
    protects=CHAIN + ": a child ends no later than its parent, and with it",
    expected="chain_refused, chain_required",
    recorded=("log: chain_refused grant_outlived",),
)
async def outlives_its_parent(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    scene.strike()
    came = {uses(scene, "friend", expires_at=ISSUED_AT + LIFETIME + 1)}
    friend = garage.visit("friend", expires_at=ISSUED_AT + LIFETIME)
    friend.prove()
    # The owner key is cut short by a newer token; the friend key would still have an hour.
    garage.visit("owner", issued_at=ISSUED_AT + 61, expires_at=ISSUED_AT + 100).prove()
    garage.time = ISSUED_AT + 100
    return one_of(came | {asks(friend, Action.UNLOCK, 99)})


@attack(
    "friend-of-an-ended-owner",
    "a friend, and a friend's friend, go on after the owner's key was suspended",
    protects=CHAIN + ", at every command",
    expected="parent_ended",
    recorded=("log: list_accepted 1", "receipt: parent_ended x2"),
)
async def of_an_ended_owner(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend", "grandchild")
    scene.strike()
    garage.bring(1, suspended=(1,))
    return one_of({uses(scene, "friend"), uses(scene, "grandchild")})


@attack(
    "friend-widened-by-an-older-token",
    "an owner key was cut down; a friend shows the car the older, wider token of it again",
    protects="the car keeps the newest token of a key, and takes no older one in its place",
    expected="not_entitled",
    recorded=("receipt: not_entitled",),
)
async def widened_by_an_older_token(scene: Scene) -> str:
    garage = scene.garage
    narrow = PROFILES["access"] | Entitlement.KEY_SHARE
    garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=narrow).prove()
    garage.visit("owner").prove()
    scene.strike()
    return uses(scene, "friend", Action.OPEN_TRUNK, **WIDE)  # its chain holds the older one
