"""Sharing by invitation: made with the parent key, claimed by the first device that knows the secret of the link.

Every operation is one transaction, and nothing is told before it is durable. A refusal that counts or ends something (a
wrong activation code, a second device, time) is committed first and raised afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keygw.credentials.attestation import Attestations, Evidence
from keygw.credentials.devices import with_attestation
from keygw.credentials.guesses import Guesses
from keygw.credentials.invitation import (
    MOST_TRIES,
    Invitation,
    InvitationEvent,
    InvitationState,
    next_invitation_state,
)
from keygw.credentials.invitation_steps import InvitationSteps, parent_of, unknown_invitation
from keygw.credentials.issuing import check_friend, checked_label, checked_public_key, hosted_grant
from keygw.credentials.journal import Journal, device_actor, link_actor
from keygw.credentials.ports import CredentialReads, CredentialStore, CredentialTransaction, Vault
from keygw.credentials.sharing import callers_grant, same_grant
from keygw.credentials.values import DAY, IssuerKeys, Limits
from keygw.crypto.kdf import constant_time_equal, hmac256, sha256
from keygw.crypto.signer import Signer, device_id
from keygw.model.audit import SYSTEM
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden, KeygwError, TokenError
from keygw.model.ids import Random, new_id
from keygw.token.possession import InvitationAct, invitation_challenge, verify_possession

SECRET_BYTES = 32
CODE_DIGITS = 6
LIFETIME = DAY


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation and what nobody can read again: the secret of its link and its activation code."""

    invitation: Invitation
    secret: bytes = field(repr=False)
    code: str | None = field(repr=False)


class Invitations:
    """``NotFound`` unknown_invitation wherever the id is wrong; where a secret is asked for, also if that is wrong.

    Wrong secrets beyond 60 a minute hear ``Conflict`` too_many_guesses.
    """

    def __init__(
        self,
        store: CredentialStore,
        vault: Vault,
        issuer: IssuerKeys,
        clock: Callable[[], float],
        random: Random,
        journal: Journal,
        limits: Limits,
        attestations: Attestations,
    ) -> None:
        self.steps = InvitationSteps(issuer, random, journal, limits)
        self._store = store
        self._vault = vault
        self._clock = clock
        self._random = random
        self._limits = limits
        self._attestations = attestations
        self._guesses = Guesses(clock)

    # What the owner does

    async def create(
        self,
        parent_id: str,
        *,
        app_id: str,
        entitlements: Entitlement,
        profile: str = "",
        key_expires_at: int | None = None,
        key_lifetime: int | None = None,
        label: str = "",
        activation_code: bool = False,
        lifetime: int | None = None,
        actor: str = SYSTEM,
    ) -> Invited:
        """``key_expires_at`` or ``key_lifetime`` (seconds from the issue on) says when the friend key ends.

        ``lifetime``: seconds in which it may be claimed; a day unless told otherwise, a week at most
        (``Limits``), never past the end of key and parent. ``profile``: the name that the entitlements were asked for
        by. ``issuing.check_friend`` has the rules of sharing; beside them ``BadInput`` bad_label and bad_lifetime,
        ``Conflict`` too_many_invitations.
        """
        known = await self._store.key(parent_id)
        limits = self._limits if known is None else await self.steps.limits_of(self._store, known.key)
        most = limits.invitation_lifetime
        seconds = min(LIFETIME, most) if lifetime is None else lifetime
        if not 1 <= seconds <= most:
            raise BadInput(f"an invitation lives 1 to {most} seconds", code="bad_lifetime")
        if (key_expires_at is None) == (key_lifetime is None):
            raise BadInput("say when the key ends: either by its time or by its lifetime", code="bad_lifetime")
        secret, code = self._random(SECRET_BYTES), self._code() if activation_code else None

        async def work(tx: CredentialTransaction) -> Invitation:
            now = await self._now(tx)
            parent = await parent_of(tx, parent_id, now)
            made = Invitation(
                id=new_id("inv", self._random),
                vehicle_id=parent.vehicle_id,
                parent_id=parent.id,
                app_id=app_id,
                entitlements=entitlements,
                created_at=int(now),
                expires_at=min(int(now) + seconds, parent.expires_at, key_expires_at or parent.expires_at),
                secret_hash=sha256(secret),
                code_hash=None if code is None else _code_hash(secret, code),
                key_expires_at=key_expires_at,
                key_lifetime=key_lifetime,
                label=checked_label(label, self._limits),
                profile=profile,
            )
            check_friend(parent, entitlements, made.key_end(now), now)
            if len(await tx.unsettled_invitations(parent.id)) >= limits.open_invitations:
                raise Conflict(
                    f"{limits.open_invitations} invitations of this key wait already: cancel one, or wait",
                    code="too_many_invitations",
                )
            await self.steps.add(tx, made, actor)
            return made

        return Invited(await self._store.write(work), secret, code)

    async def get(self, invitation_id: str) -> Invitation:
        """As it stands now: one whose time is over is stored so."""
        found = await self._store.invitation(invitation_id)
        if found is None:
            raise unknown_invitation()
        return await self._seen(found)

    async def of_vehicle(self, vehicle_id: str) -> list[Invitation]:
        """Oldest first."""
        return [await self._seen(each) for each in await self._store.invitations(vehicle_id)]

    async def sweep(self, now: float, most: int) -> int:
        """Store as ended what time has ended, and tell it; how many there were, ``most`` at once."""
        over = await self._store.invitations_over(int(now), most)
        for invitation_id in over:
            await self.get(invitation_id)
        return len(over)

    async def cancel(self, invitation_id: str, *, actor: str = SYSTEM) -> Invitation:
        """Again: a success that changes nothing. ``Conflict`` invitation_accepted once there is a key."""

        async def work(tx: CredentialTransaction) -> Invitation:
            invitation = await self.steps.current(tx, invitation_id, await self._now(tx))
            return await self.steps.move(tx, invitation, InvitationEvent.CANCEL, actor=actor)

        return await self._store.write(work)

    async def grant(self, invitation_id: str, signed: bytes, *, actor: str = SYSTEM) -> Invitation:
        """The phone that holds the parent allows it to the device that has claimed; the key is issued.

        The same grant again is a success. ``Conflict``: invitation_not_claimed, invitation_accepted, or how it ended;
        ``Forbidden`` beyond_invitation and, as ``BadInput`` or ``Forbidden``, the codes of ``token.grant``.
        """

        async def work(tx: CredentialTransaction) -> tuple[Invitation, KeygwError | None]:
            now = await self._now(tx)
            invitation = await self.steps.current(tx, invitation_id, now)
            try:
                state = next_invitation_state(invitation.state, InvitationEvent.ACCEPT)
            except Conflict as error:
                return invitation, error
            if state is not invitation.state:
                device = _phone(invitation.device_key or b"")
                plan = await self.steps.granted(tx, invitation, device, signed, now)
                return await self.steps.accept(tx, invitation, plan, signed, now, actor), None
            if not await same_grant(tx, invitation.key_id or "", signed):
                return invitation, Conflict("the key was issued on another grant", code="invitation_accepted")
            return invitation, None

        with callers_grant():
            return _unless_refused(await self._store.write(work))

    # What the friend does

    async def look(self, invitation_id: str, secret: bytes) -> Invitation:
        """What is offered, to who knows the secret."""
        return await self._seen(await self._known(invitation_id, secret))

    async def claim(
        self,
        invitation_id: str,
        secret: bytes,
        device_key: bytes,
        proof: bytes,
        code: str | None = None,
        app_id: str | None = None,
        evidence: Evidence | None = None,
    ) -> Invitation:
        """Bind it to the device that has that key; where the gateway hosts the parent's device, issue the key at once.

        ``proof``: ``token.possession``. ``app_id``: the app whose device this is, if it has one here. The same device
        again gets the same answer. ``evidence``: of the device key, for ``possession.invitation_challenge``.
        ``BadInput`` bad_public_key, bad_proof; ``Forbidden`` activation_code_required, activation_code_wrong;
        ``Conflict`` invitation_taken (by another device), or how it ended; the codes of ``Attestations.judge`` and,
        where the profile asks for more than this device has, of ``Profiles.check_again``: then nothing is bound.
        """
        known = await self._known(invitation_id, secret)
        _check_proof(InvitationAct.CLAIM, known, device_key, proof)
        attested = None
        if evidence is not None:
            asked = invitation_challenge(known.id, known.secret_hash, device_key)
            attested = self._attestations.judge(evidence, asked, device_key, await self._now(self._store))
        signer, actor = await self._signer_of(known.parent_id), device_actor(device_id(device_key))

        async def work(tx: CredentialTransaction) -> tuple[Invitation, KeygwError | None]:
            now = await self._now(tx)
            invitation = await self.steps.current(tx, invitation_id, now)
            invitation, refused = await self._bind(tx, invitation, device_key, secret, code, actor)
            if refused is None:
                device = await tx.add_device(_phone(device_key, app_id))
                if attested is not None:
                    device = await tx.save_device(with_attestation(device, attested, int(now)))
                if invitation.state is InvitationState.CLAIMED:
                    rules = self._limits.profiles
                    rules.check_again(invitation.profile, invitation.entitlements, Role.FRIEND, device)
                if signer is not None and invitation.state is InvitationState.CLAIMED:
                    plan = await self.steps.promised(tx, invitation, device, now)
                    grant = hosted_grant(plan, now, signer)
                    invitation = await self.steps.accept(tx, invitation, plan, grant, now, actor)
            return invitation, refused

        return _unless_refused(await self._store.write(work))

    async def decline(
        self, invitation_id: str, secret: bytes, device_key: bytes | None = None, proof: bytes | None = None
    ) -> Invitation:
        """Say no. Once a device has claimed it only that device may, and shows its proof.

        Again: a success that changes nothing. ``Conflict`` invitation_accepted once there is a key, invitation_taken.
        """
        known = await self._known(invitation_id, secret)
        if device_key is not None:
            _check_proof(InvitationAct.DECLINE, known, device_key, proof or b"")

        async def work(tx: CredentialTransaction) -> Invitation:
            invitation = await self.steps.current(tx, invitation_id, await self._now(tx))
            if invitation.state is InvitationState.CLAIMED and invitation.device_key != device_key:
                raise _taken()
            actor = link_actor(invitation_id) if device_key is None else device_actor(device_id(device_key))
            return await self.steps.move(tx, invitation, InvitationEvent.DECLINE, actor=actor)

        return await self._store.write(work)

    # Inside

    async def _bind(
        self,
        tx: CredentialTransaction,
        invitation: Invitation,
        device_key: bytes,
        secret: bytes,
        code: str | None,
        actor: str,
    ) -> tuple[Invitation, KeygwError | None]:
        """The invitation after the try, and why the try is refused: what was counted must stay counted."""
        if invitation.bound_to(device_key):
            return invitation, None
        actor = device_actor(device_id(device_key))
        if invitation.bound:
            return await self.steps.refuse_device(tx, invitation, actor), _taken()
        try:
            next_invitation_state(invitation.state, InvitationEvent.CLAIM)
        except Conflict as error:
            return invitation, error
        if invitation.code_hash is not None:
            if code is None:
                sentence = "this invitation needs the activation code that its sender says aloud"
                return invitation, Forbidden(sentence, code="activation_code_required")
            if not constant_time_equal(_code_hash(secret, code), invitation.code_hash):
                counted = await self.steps.refuse_code(tx, invitation, actor)
                if counted.state is InvitationState.LOCKED:
                    sentence = "that was one wrong activation code too many: ask for a new invitation"
                    return counted, Conflict(sentence, code="invitation_locked")
                left = MOST_TRIES - counted.wrong_codes
                return counted, Forbidden(f"wrong activation code; tries left: {left}", code="activation_code_wrong")
        claimed = await self.steps.move(tx, invitation, InvitationEvent.CLAIM, actor=actor, device_key=device_key)
        return claimed, None

    async def _known(self, invitation_id: str, secret: bytes) -> Invitation:
        """The invitation, to who knows its secret. Unknown id and wrong secret sound alike."""
        found = await self._store.invitation(invitation_id)
        wanted = bytes(SECRET_BYTES) if found is None else found.secret_hash
        if not constant_time_equal(sha256(secret), wanted) or found is None:
            self._guesses.wrong()
            raise unknown_invitation()
        return found

    async def _seen(self, found: Invitation) -> Invitation:
        if await self.steps.due(self._store, found, await self._now(self._store)) is None:
            return found

        async def work(tx: CredentialTransaction) -> Invitation:
            return await self.steps.current(tx, found.id, await self._now(tx))

        return await self._store.write(work)

    async def _signer_of(self, parent_id: str) -> Signer | None:
        """The device key of the parent, if the gateway holds it."""
        parent = await self._store.key(parent_id)
        device = None if parent is None else await self._store.device(parent.key.device_id)
        hosted = device is not None and device.kind is DeviceKind.HOSTED
        return await self._vault.signer(device.id) if device is not None and hosted else None

    async def _now(self, reads: CredentialReads) -> float:
        return max(self._clock(), float(await reads.last_issued_at()))

    def _code(self) -> str:
        """Six digits, all equally likely but for 2^-44."""
        return f"{int.from_bytes(self._random(8), 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def _code_hash(secret: bytes, code: str) -> bytes:
    """Keyed with the secret, which is not stored: six digits alone would be found in a stolen database at once."""
    return hmac256(secret, b"keygw activation code 1 " + code.encode("utf-8", "surrogateescape"))


def _check_proof(act: InvitationAct, known: Invitation, device_key: bytes, proof: bytes) -> None:
    checked_public_key(device_key)
    try:
        verify_possession(proof, act, known.id, known.secret_hash, device_key)
    except TokenError as error:
        raise BadInput(f"the proof of possession is refused: {error}", code="bad_proof") from error


def _phone(device_key: bytes, app_id: str | None = None) -> Device:
    return Device(device_id(device_key), DeviceKind.PHONE, device_key, app_id=app_id)


def _unless_refused(outcome: tuple[Invitation, KeygwError | None]) -> Invitation:
    invitation, refused = outcome
    if refused is not None:
        raise refused
    return invitation


def _taken() -> Conflict:
    return Conflict(
        "another device has claimed this invitation; if it was not yours, tell its sender", code="invitation_taken"
    )
