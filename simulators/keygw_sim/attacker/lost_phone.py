"""A phone in a thief's hands, unlocked: device key, key token, everything. What the owner can still do about it."""

from __future__ import annotations

from keygw.credentials.service import CredentialService
from keygw.model.command import Action
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.session.device import KeyInHand
from keygw.session.events import ListAcknowledged
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.attacker.sessions import asks
from keygw_sim.rehearsal import Visit


class Family:
    """The real service has made an owner key, and two friend keys from it; the car knows the three phones."""

    def __init__(self, scene: Scene, service: CredentialService, keys: dict[str, DigitalKey]) -> None:
        self.scene, self.service, self.keys = scene, service, keys

    @classmethod
    async def of(cls, scene: Scene) -> Family:
        garage, service = scene.garage, await scene.service()
        await service.register_vehicle(garage.vehicle)
        keys = {"owner": await service.issue_owner_key(garage.vehicle.id, garage.signers["owner"].public_key)}
        for who in ("friend", "stranger"):
            keys[who] = await scene.share(service, keys["owner"], who, 86_400)
        family = cls(scene, service, keys)
        for who in keys:
            (await family.phone(who)).prove()
        return family

    async def phone(self, who: str) -> Visit:
        """That phone at the car, with its own key token and what that stands on."""
        signer = self.scene.garage.signers[who]
        token = await self.service.key_token(self.keys[who].id)
        chain = tuple((link.grant, link.parent_token) for link in await self.service.chain(self.keys[who].id))
        return self.scene.bring(KeyInHand(self.keys[who].id, token.cwt, signer.public_key, chain), signer)

    async def uses(self, who: str) -> str:
        """That phone unlocks the car, or does not."""
        visit = await self.phone(who)
        return came_of(visit, lambda: visit.prove(Action.UNLOCK, number=visit.conn))

    async def carries(self, who: str) -> None:
        """That phone meets the car with the current list, and brings the acknowledgement home."""
        vehicle_id = self.scene.garage.vehicle.id
        visit = await self.phone(who)
        visit.prove()
        self.scene.garage.push(visit, (await self.service.current_list(vehicle_id)).signed)
        await self.service.acknowledge_list(vehicle_id, visit.last(ListAcknowledged).signed)

    async def state(self, who: str) -> KeyState:
        return (await self.service.key(self.keys[who].id)).state


@attack(
    "lost-phone-before-the-list",
    "has a friend's phone, unlocked; its key was revoked, and nobody has met the car since",
    protects="the service says revoking until the car has signed, so nobody is told that it is over",
    expected="done",
    recorded=("receipt: done", "event: key.revoking revoke"),
    remains="until somebody carries the list to the car the phone opens it, at most until the key's time is over: 72 h "
    "for a friend's",
    stopped=False,
)
async def before_the_list(scene: Scene) -> str:
    family = await Family.of(scene)
    scene.strike()
    await family.service.revoke(family.keys["friend"].id)
    came = await family.uses("friend")
    scene.must(await family.state("friend") is KeyState.REVOKING, "the service says revoked too soon")
    return came


@attack(
    "lost-phone-after-the-list",
    "the same, after another friend's phone has met the car and carried the list there",
    protects="any phone with a good key is a courier; the car signs for the list and refuses the key",
    expected="key_revoked",
    recorded=(
        "log: list_accepted 1",
        "receipt: key_revoked",
        "event: key.revoking revoke",
        "event: key.revoked",
    ),
)
async def after_the_list(scene: Scene) -> str:
    family = await Family.of(scene)
    scene.strike()
    await family.service.revoke(family.keys["friend"].id)
    await family.carries("stranger")
    scene.must(await family.state("friend") is KeyState.REVOKED, "the service does not know yet")
    return await family.uses("friend")


@attack(
    "lost-phone-carries-the-news",
    "the lost phone itself still has an app that carries lists: it is the first to meet the car",
    protects="a key under revocation may carry the list that ends it; its session ends in the same moment",
    expected="session_over",
    recorded=("log: list_accepted 1", "event: key.revoking revoke", "event: key.revoked"),
)
async def carries_the_news(scene: Scene) -> str:
    family = await Family.of(scene)
    scene.strike()
    await family.service.revoke(family.keys["friend"].id)
    garage, visit = scene.garage, await family.phone("friend")
    visit.prove()
    garage.push(visit, (await family.service.current_list(garage.vehicle.id)).signed)
    await family.service.acknowledge_list(garage.vehicle.id, visit.last(ListAcknowledged).signed)
    return asks(visit, Action.UNLOCK, 1)


@attack(
    "lost-owners-phone",
    "has the owner's phone, and shares a key to its own phone before the owner key is revoked",
    protects="revoking a key revokes everything that was shared from it, in one list",
    expected="key_revoked",
    recorded=(
        "log: list_accepted 1",
        "receipt: key_revoked x2",
        "event: key.revoking revoke x3",
        "event: key.revoked x3",
    ),
    remains="until then the thief is the owner: a second owner device, or the service's operator, must revoke",
)
async def owners(scene: Scene) -> str:
    family = await Family.of(scene)
    scene.strike()
    await family.service.revoke(family.keys["owner"].id)
    await family.carries("friend")
    return one_of({await family.uses("stranger"), await family.uses("owner")})


@attack(
    "lost-owners-phone-pairs-another",
    "has the owner's phone, unlocked, and sits in the car: allows a pairing and makes its own phone an owner's",
    protects="nothing: who holds an owner's unlocked phone is an owner. The car tells the other owners that pairing "
    "is open, and how many owners there are",
    expected="done",
    recorded=(
        "log: pairing_tried",
        "log: pairing_closed used",
        "log: owner_paired",
        "log: owner_token done",
        "log: list_accepted 1",
        "receipt: done x2",
        "event: key.revoking revoke x3",
        "event: key.revoked x3",
    ),
    remains="the new owner key descends from nobody, so revoking the lost phone's does not end it: it has to be "
    "revoked as well",
    stopped=False,
)
async def owners_pairs_another(scene: Scene) -> str:
    family = await Family.of(scene)
    scene.strike()
    phone = await family.phone("owner")
    phone.prove(Action.ALLOW_PAIRING, number=1)
    phone.leave()
    pairing = scene.pairing(scene.show_code(), "grandchild")
    scene.must(came_of(pairing, pairing.ask) == "done", "the thief cannot pair")
    await family.service.revoke(family.keys["owner"].id)
    await family.carries("owner")
    return scene.garage.tries("grandchild", role=Role.OWNER, depth=0, parent_id=None, index=9).label
