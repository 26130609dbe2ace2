"""Links that were passed on, guessed at or kept, and grants that are brought twice: all at the credential service."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.invitations import Invited
from keygw.credentials.service import CredentialService
from keygw.crypto.signer import thumbprint
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.errors import KeygwError
from keygw.token.grant import Grant, sign_grant
from keygw.token.possession import InvitationAct, sign_possession
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, one_of

DAY = 86_400


@dataclass
class Household:
    """A service that hosts the owner's device, and what its owner has offered by a link."""

    scene: Scene
    service: CredentialService
    owner: DigitalKey
    invited: Invited

    @classmethod
    async def of(cls, scene: Scene, *, code: bool = False) -> Household:
        vehicle, service = scene.garage.vehicle, await scene.service()
        await service.register_vehicle(vehicle)
        owner = await service.issue_owner_key(vehicle.id, await service.create_hosted_device("app_owner"))
        invited = await service.invitations.create(
            owner.id, app_id="app_owner", entitlements=PROFILES["access"], key_lifetime=DAY, activation_code=code
        )
        return cls(scene, service, owner, invited)

    async def claims(self, who: str, code: str | None = None, secret: bytes | None = None) -> str:
        """That phone claims the link; how its invitation stands then, or the refusal's code."""
        name, signer = self.invited.invitation.id, self.scene.garage.signers[who]
        secret = self.invited.secret if secret is None else secret
        proof = sign_possession(InvitationAct.CLAIM, name, secret, signer)
        try:
            got = await self.service.invitations.claim(name, secret, signer.public_key, proof, code)
        except KeygwError as error:
            return error.code
        return got.state.value

    async def keys(self) -> int:
        return len(await self.service.keys(self.owner.vehicle_id))


@attack(
    "invitation-passed-on",
    "reads a link that a friend has claimed already, and claims it with its own phone",
    protects="an invitation belongs to the first device that claims it; the owner is told",
    expected="invitation_taken",
    recorded=("event: invitation.refused other_device",),
    remains="who reads the link before the friend does is first, unless an activation code was said aloud",
)
async def passed_on(scene: Scene) -> str:
    home = await Household.of(scene)
    scene.must(await home.claims("friend") == "accepted", "the friend cannot claim")
    scene.strike()
    came = await home.claims("stranger")
    scene.must(await home.keys() == 2, "there is a second key")
    return came


@attack(
    "invitation-code-guessed",
    "has read the link first, and guesses the activation code that was said aloud",
    protects="five tries, counted with the invitation before each answer, whoever tries",
    expected="activation_code_wrong, invitation_locked",
    recorded=("event: invitation.refused activation_code_wrong x5", "event: invitation.locked"),
    remains="one chance in 200 000; and the friend needs a new link",
)
async def code_guessed(scene: Scene) -> str:
    home = await Household.of(scene, code=True)
    scene.strike()
    guesses = [f"{number:06d}" for number in range(7)]
    came = [await home.claims("stranger", guess) for guess in guesses if guess != home.invited.code]
    scene.must(await home.keys() == 1, "there is a key")
    return one_of(set(came))


@attack(
    "invitation-secret-guessed",
    "knows the id of an invitation from an address, and guesses what stands behind the #",
    protects="256 bits; a wrong one and an unknown invitation sound alike",
    expected="unknown_invitation",
)
async def secret_guessed(scene: Scene) -> str:
    home = await Household.of(scene)
    scene.strike()
    came = {await home.claims("stranger", secret=scene.garage.random(32)) for _ in range(20)}
    scene.must(await home.claims("friend") == "accepted", "the guesses have locked the friend out")
    scene.strike()
    return one_of(came)


@attack(
    "invitation-claimed-again",
    "a friend whose key was revoked claims its link once more",
    protects="a link makes one key",
    expected="revoking",
    recorded=("event: key.revoking revoke",),
)
async def claimed_again(scene: Scene) -> str:
    home = await Household.of(scene)
    await home.claims("friend")
    key_id = (await home.service.invitations.get(home.invited.invitation.id)).key_id or ""
    scene.strike()
    await home.service.revoke(key_id)
    await home.claims("friend")
    scene.must(await home.keys() == 2, "the link has made a second key")
    return (await home.service.key(key_id)).state.value


@attack(
    "grant-brought-again",
    "a friend whose key was revoked brings the grant once more that it was issued on, also under a fresh signature",
    protects="one grant makes one key, for ever, told by its words",
    expected="revoking",
    recorded=("event: key.revoking revoke",),
)
async def brought_again(scene: Scene) -> str:
    garage, service = scene.garage, await scene.service()
    await service.register_vehicle(garage.vehicle)
    owner = await service.issue_owner_key(garage.vehicle.id, garage.signers["owner"].public_key)
    friend, now = garage.signers["friend"].public_key, int(garage.time)
    said = Grant(garage.vehicle.id, owner.id, thumbprint(friend), PROFILES["access"], now, now, now + DAY)
    first = await service.share_granted(
        owner.id, device_public_key=friend, grant=sign_grant(said, garage.signers["owner"])
    )
    scene.strike()
    await service.revoke(first.id)
    states: set[str] = set()
    for _ in range(2):
        again = await service.share_granted(
            owner.id, device_public_key=friend, grant=sign_grant(said, garage.signers["owner"])
        )
        scene.must(again.id == first.id and again.state is not KeyState.ACTIVE, "the grant has made a second key")
        states.add(again.state.value)
    return one_of(states)
