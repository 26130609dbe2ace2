"""What the car itself lets a key do. Every command is held against these, whatever the gateway thought of it."""

from __future__ import annotations

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.revocation import RevocationList
from keygw.token.claims import KeyClaims
from keygw.wire.messages import LinkKind, TimeState
from keygw.wire.ranging import Zone
from keygw_sim.vehicle import chain, trust
from keygw_sim.vehicle.flash import Memory
from keygw_sim.vehicle.proximity import Nearness
from keygw_sim.vehicle.timekeeper import Moment

_ALL = frozenset(Action)
_NONE: frozenset[Action] = frozenset()
WHAT_TIME_ALLOWS: dict[TimeState, tuple[frozenset[Action], frozenset[Action]]] = {
    # of an owner's key            of a key that was shared (friend, service)
    TimeState.TRUSTED: (_ALL, _ALL),
    TimeState.DUE: (_ALL, _ALL),
    TimeState.FLOOR: (_ALL - {Action.ALLOW_PAIRING}, _NONE),
    TimeState.UNKNOWN: (_ALL - {Action.ALLOW_PAIRING}, _NONE),
}
"""What is left of a key's rights in each state. A key of which nothing is left waits for a time proof.

An owner is not locked out by a car that has lost the time. But who makes a new owner must not be one that ended long
ago, and the proof also says that the car has the newest list.
"""


def judge_key(claims: KeyClaims, memory: Memory, listed: RevocationList | None, time: Moment) -> Outcome:
    """``DONE`` if the key is good here and now, else why not. Asked at authentication and before every command.

    What no proof can turn comes first: beyond the floor a key has ended in every state.
    """
    now = max(time.at, claims.issued_at)  # the issuer signed that it was then already
    signer = trust.find(memory, claims.kid, time)
    if now >= claims.expires_at or signer is None:  # the issuer key has ended, and every token of it
        return Outcome.KEY_EXPIRED
    if time.known and now < claims.not_before:
        return Outcome.KEY_NOT_YET_VALID
    verdict = _judge_list(claims, memory, listed)
    if verdict is Outcome.DONE and not trust.decides(signer, time):
        return wanted(time)
    if verdict is Outcome.DONE:
        verdict = _judge_enrolment(claims, memory, listed, now)
    if verdict is Outcome.DONE and (now < claims.not_before or not _allowed(claims, time)):
        return wanted(time)
    return verdict


def judge_time(claims: KeyClaims, action: Action, time: Moment) -> Outcome:
    """``DONE`` if what the car knows of the time is enough for that action of a good key."""
    return Outcome.DONE if action in _allowed(claims, time) else wanted(time)


def _allowed(claims: KeyClaims, time: Moment) -> frozenset[Action]:
    return WHAT_TIME_ALLOWS[time.state][claims.role is not Role.OWNER]


def wanted(time: Moment) -> Outcome:
    """What a car asks for that must know the time: a proof, or the list that the last proof has named."""
    return Outcome.LIST_REQUIRED if time.withheld else Outcome.TIME_PROOF_REQUIRED


def _judge_list(claims: KeyClaims, memory: Memory, listed: RevocationList | None) -> Outcome:
    """What the list says of the key itself; what was removed here needs no list."""
    if claims.index in memory.removed:
        return Outcome.KEY_REVOKED
    if listed is not None:
        if claims.index in listed.revoked or claims.epoch < listed.min_epoch or claims.issued_at < listed.issued_before:
            return Outcome.KEY_REVOKED
        if claims.index in listed.suspended:
            return Outcome.KEY_SUSPENDED
    return Outcome.DONE


def _judge_enrolment(claims: KeyClaims, memory: Memory, listed: RevocationList | None, now: int) -> Outcome:
    """Whether an owner's device, or a chain up to one, stands behind the key."""
    if claims.role is Role.OWNER:
        return Outcome.DONE if thumbprint(claims.device_key) in memory.owners else Outcome.NOT_ENROLLED
    if claims.role not in (Role.FRIEND, Role.SERVICE) or claims.depth == 0:
        return Outcome.NOT_ENROLLED  # nobody shared it, or its role is of a newer release
    return _judge_chain(claims, memory, listed, now)


def _judge_chain(claims: KeyClaims, memory: Memory, listed: RevocationList | None, now: float) -> Outcome:
    """Every link up to an owner must have been verified and cover this token, and every ancestor must be in force.

    A key shared by a friend ends with the owner's key as well. Where only the token of an ancestor was overtaken (by a
    watermark, or an epoch) there may be a renewed one, and the chain may bring it.
    """
    above = chain.ancestors(claims, memory)
    if above is None:
        return Outcome.CHAIN_REQUIRED
    if any(now >= parent.expires_at or parent.index in memory.removed for parent in above):
        return Outcome.PARENT_ENDED
    if listed is None:
        return Outcome.DONE
    if any(parent.index in (*listed.revoked, *listed.suspended) for parent in above):
        return Outcome.PARENT_ENDED
    overtaken = any(parent.epoch < listed.min_epoch or parent.issued_at < listed.issued_before for parent in above)
    return Outcome.CHAIN_REQUIRED if overtaken else Outcome.DONE


def judge_action(action: Action, allowed: Entitlement, near: Nearness) -> Outcome:
    """``DONE`` if these rights cover the action, and the device is near where the action needs that."""
    if action.required is None:
        return Outcome.UNKNOWN_ACTION
    if not action.required & allowed:
        return Outcome.NOT_ENTITLED
    return Outcome.DONE if action not in _NEARBY or _near_enough(action, near) else Outcome.PROXIMITY_REQUIRED


def _near_enough(action: Action, near: Nearness) -> bool:
    """A relayed or hosted device cancels proximity, whatever was measured: it is not the one that was.

    Passive entry needs somebody who has just come to the doors, by measurement: a fast relay makes plain BLE look near.
    A phone left in the cabin opens to nobody outside. Who drives must sit in a car that can measure it; one without
    anchors has but the kind of link to go by.
    """
    if near.link is not LinkKind.DIRECT:
        return False
    if action is Action.PASSIVE_UNLOCK:
        return near.zone is Zone.NEAR and near.arriving
    return near.zone is Zone.INSIDE or not near.anchors


def list_too_old(action: Action, claims: KeyClaims, listed: RevocationList | None, now: float) -> bool:
    """Whether the action needs a fresher list than the car has. An owner key never does.

    A car that has never had a list knows of no revocation at all: for it that is as old as a list can be.
    """
    if action not in _DRIVING or claims.role is Role.OWNER:
        return False
    return listed is None or now - listed.issued_at > LIST_SECONDS


LIST_SECONDS = 7 * 86_400
"""How old a list may be for others than owners to drive."""
_DRIVING = frozenset({Action.START_ENGINE})
_NEARBY = _DRIVING | {Action.PASSIVE_UNLOCK}
