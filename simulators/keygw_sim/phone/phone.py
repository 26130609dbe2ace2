"""A phone with its own device key and its own BLE link: no gateway between it and the car."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keygw.crypto.signer import LocalSigner, device_id, thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, LinkError, ProtocolError, TokenError
from keygw.model.ids import Random
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand
from keygw.session.fast import FastKey
from keygw.token.claims import MAX_DEPTH
from keygw.token.grant import Grant, sign_grant
from keygw.token.possession import InvitationAct, sign_possession, sign_registration
from keygw.token.receipt import verify_receipt
from keygw.token.statement import StatementAct, sign_statement
from keygw.vehicle.conversation import Conversation, Road
from keygw.vehicle.ports import Air, HeldKey
from keygw.wire.messages import Chain, Cmd, LinkKind, Res
from keygw_sim.chance import new_signer
from keygw_sim.phone.satchel import CarriedList, Satchel

REACH_SECONDS = 4.0
MOST_CHAINS = 4
"""So often the car is told what the key stands on within one command."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What ``GET /v1/keys/{id}/token`` gives: the key token for the air, what it stands on, the vehicle it is for."""

    key_id: str
    cwt: bytes = field(repr=False)
    vehicle: Vehicle
    carried: CarriedList | None = None
    """The vehicle's revocation list, which the phone brings there."""
    chain: Chain = field(default=(), repr=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Invitation:
        """``BadInput`` if it is not of that shape."""
        try:
            car = data["vehicle"]
            vehicle = Vehicle(
                car["id"], car["name"], decode_base64url(car["public_key"]), decode_base64url(car["advertising_key"])
            )
            chain = tuple(
                (decode_base64url(link["grant"]), decode_base64url(link["parent_token"])) for link in data["chain"]
            )
            carried = CarriedList.from_json(data["revocation_list"]) if "revocation_list" in data else None
            return cls(data["key_id"], decode_base64url(data["cwt"]), vehicle, carried, chain)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("not a key that a phone can take in", code="bad_invitation") from error


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one command, and what it cost. ``receipt``: verified with the vehicle key, if one was given.

    ``list_ack``: what the vehicle signed for the revocation list that the phone brought it on this occasion.
    ``time_nonce``: the car waits, for a minute, for a time proof with this nonce.
    """

    action: Action
    outcome: str
    ok: bool
    receipt: Receipt | None
    ms: float
    connect_ms: float | None = None
    handshake_ms: float | None = None
    round_trips: int = 0
    message_bytes: int = 0
    air_bytes: int = 0
    road: str | None = None
    list_ack: bytes | None = field(default=None, repr=False)
    chain: bool = False
    """The car asked what the key stands on, and was told."""
    time_nonce: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "action": self.action.label,
            "outcome": self.outcome,
            "ok": self.ok,
            "receipt": None if self.receipt is None else self.receipt.sequence,
            "ms": round(self.ms, 1),
            "connect_ms": None if self.connect_ms is None else round(self.connect_ms, 1),
            "handshake_ms": None if self.handshake_ms is None else round(self.handshake_ms, 1),
            "round_trips": self.round_trips,
            "message_bytes": self.message_bytes,
            "air_bytes": self.air_bytes,
            "road": self.road,
            "list_ack": None if self.list_ack is None else encode_base64url(self.list_ack),
            "chain": self.chain,
            "time_nonce": None if self.time_nonce is None else encode_base64url(self.time_nonce),
        }


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A car that waits for a time proof, and what it is to do then."""

    talk: Conversation
    vehicle: Vehicle
    tried: Tried
    number: int
    started: float


class Phone:
    """Takes one digital key and uses it, and carries revocation lists to the vehicles it meets."""

    def __init__(
        self,
        air: Air,
        signer: LocalSigner,
        random: Random,
        ticks: Callable[[], float] = time.monotonic,
        *,
        kind: LinkKind = LinkKind.DIRECT,
    ) -> None:
        """``kind``: what it tells the car of how its frames travel; ``RELAYED`` over a ``RelayAir``."""
        self.public_key = signer.public_key
        self.subscribe = False
        """Whether it asks the car for events."""
        self._air = air
        self._kind = kind
        self._signer = signer
        self._random = random
        self._ticks = ticks
        self._invitation: Invitation | None = None
        self._fast_key: FastKey | None = None
        self._kept = False
        """Whether the car has accepted the token, and keeps it."""
        self._newest = 0
        self._told = 0
        """The sequence of the list that the car said it has."""
        self.satchel = Satchel()

        self._meeting: _Meeting | None = None

    @property
    def device_id(self) -> str:
        return device_id(self.public_key)

    def accept(self, invitation: Invitation) -> None:
        """Keep the key, with its chain. The car checks the token; the phone has no issuer to trust."""
        self._invitation = invitation
        self._fast_key, self._kept = None, False
        if invitation.carried is not None:
            self.satchel.put(invitation.carried)

    async def meet(self) -> Conversation:
        """A session with the car that stays open, for a phone that walks about with it. ``BadInput`` without a key,
        ``LinkError`` and ``ProtocolError`` from the car's side; close it when done.
        """
        if self._invitation is None:
            raise BadInput("the phone has no digital key yet", code="no_key")
        key, kept = self._invitation, self._kept
        held = HeldKey(KeyInHand(key.key_id, key.cwt, self.public_key, key.chain), self._signer)
        self._kept = False  # whatever fails: the token by value is next
        talk = await Conversation.open(
            self._air,
            key.vehicle,
            held,
            self._random,
            REACH_SECONDS,
            kind=self._kind,
            subscribe=self.subscribe,
            clock=self._ticks,
        )
        try:
            result = await talk.authenticate(kept=kept)
            self._kept = result.outcome is Outcome.DONE
            await self.satchel.deliver(talk, key.vehicle, result.list_sequence)
        except BaseException:
            await talk.close()
            raise
        return talk

    def number(self) -> int:
        """A command number that it has not used."""
        return int.from_bytes(self._random(4), "big")

    def prove(self, invitation_id: str, secret: bytes) -> bytes:
        """What this phone shows to claim an invitation."""
        return sign_possession(InvitationAct.CLAIM, invitation_id, secret, self._signer)

    def states(self, act: StatementAct, subject: str, number: int = 0) -> bytes:
        """Its own word: it gives the key ``subject`` back, or the device ``subject`` is found after that loss."""
        return sign_statement(act, subject, number, self._signer)

    def prove_registration(self, challenge: bytes) -> bytes:
        """What this phone shows to be registered; it brings no attestation."""
        return sign_registration(challenge, None, self._signer)

    def grant(self, public_key: bytes, rights: Entitlement, expires_at: int, now: int) -> bytes:
        """Its word that the device with that key may have a key shared from its own. ``BadInput`` without a key."""
        if self._invitation is None:
            raise BadInput("the phone has no digital key yet", code="no_key")
        key = self._invitation
        said = Grant(
            vehicle_id=key.vehicle.id,
            parent_id=key.key_id,
            device=thumbprint(public_key),
            entitlements=rights,
            issued_at=now,
            not_before=now,
            expires_at=expires_at,
            depth=len(key.chain) + 1,
            max_depth=MAX_DEPTH,
        )
        return sign_grant(said, self._signer)

    async def command(self, action: Action) -> Tried:
        """Meet the car, prove the key, send one command in the same breath, read the receipt, leave.

        From a car that wants a time proof first the phone does not leave: ``prove_time``. ``BadInput`` without a key.
        What car or link do is in the result.
        """
        await self.leave()
        if self._invitation is None:
            raise BadInput("the phone has no digital key yet", code="no_key")
        started, number = self._ticks(), int.from_bytes(self._random(4), "big")
        kept = self._kept
        tried, refused = await self._meet(self._invitation, action, number, started)
        if kept and refused:  # it has forgotten the token, or somebody says so in its place: the same number, by value
            tried, _ = await self._meet(self._invitation, action, number, started)
        return tried

    async def prove_time(self, proof: bytes, newest: CarriedList | None = None) -> Tried:
        """Bring the car that waits the time proof that it wants, and repeat the command with the number it had.
        ``newest``: the list that came with the proof; the car may want that too.

        ``BadInput`` no_meeting if no car waits.
        """
        meeting, self._meeting = self._meeting, None
        if meeting is None:
            raise BadInput("no car waits for a time proof", code="no_meeting")
        if newest is not None:
            self.satchel.put(newest)
        talk, tried = meeting.talk, meeting.tried
        try:
            told = await talk.prove_time(proof)
            outcome, carried = told.outcome, False
            if outcome is Outcome.LIST_REQUIRED:
                carried = await self.satchel.deliver(talk, meeting.vehicle, told.list_sequence)
                outcome = Outcome.DONE if carried else outcome
            if outcome in (Outcome.DONE, Outcome.CHAIN_REQUIRED):
                response = await self._insist(talk, Cmd(meeting.number, tried.action))
                outcome, self._newest = response.outcome, response.receipt
                self._fast_key, self._kept = talk.session.fast_key, True
            ack = self.satchel.acks[meeting.vehicle.id] if carried else tried.list_ack
            tried = _told(talk, tried.action, outcome, self._ms(meeting.started), tried.connect_ms)
            tried = replace(tried, road=meeting.tried.road, list_ack=ack)
            return await self._finish(talk, meeting.vehicle, tried, meeting.number, meeting.started)
        except (LinkError, ProtocolError) as error:
            return Tried(tried.action, error.code, False, None, self._ms(meeting.started), tried.connect_ms)
        finally:
            if self._meeting is None:
                await talk.close()

    async def leave(self) -> None:
        """Give up a car that still waits."""
        meeting, self._meeting = self._meeting, None
        if meeting is not None:
            await meeting.talk.close()

    def _ms(self, started: float) -> float:
        return (self._ticks() - started) * 1000

    async def _meet(self, invitation: Invitation, action: Action, number: int, started: float) -> tuple[Tried, bool]:
        """One meeting; and whether the car refused before it said anything of the key."""
        held = HeldKey(KeyInHand(invitation.key_id, invitation.cwt, self.public_key, invitation.chain), self._signer)
        try:
            talk = await Conversation.open(
                self._air,
                invitation.vehicle,
                held,
                self._random,
                REACH_SECONDS,
                kind=self._kind,
                subscribe=self.subscribe,
                clock=self._ticks,
            )
        except (LinkError, ProtocolError) as error:
            return Tried(action, error.code, False, None, self._ms(started)), False
        connect_ms = self._ms(started)
        try:
            tried = await self._ask(talk, action, number, started, connect_ms)
            tried = await self._bring(talk, tried, number, invitation.vehicle)
            return await self._finish(talk, invitation.vehicle, tried, number, started), False
        except (LinkError, ProtocolError) as error:
            return Tried(action, error.code, False, None, self._ms(started), connect_ms), talk.refused
        finally:
            if self._meeting is None:
                await talk.close()

    async def _finish(self, talk: Conversation, vehicle: Vehicle, tried: Tried, number: int, started: float) -> Tried:
        """Stay with a car that waits for a time proof, else read the receipt."""
        if tried.outcome == Outcome.TIME_PROOF_REQUIRED.label and talk.waiting and talk.result is not None:
            self._meeting = _Meeting(talk, vehicle, tried, number, started)
            return replace(tried, time_nonce=talk.result.time_nonce)
        return replace(tried, receipt=await self._receipt(talk, number)) if talk.authenticated else tried

    async def _ask(self, talk: Conversation, action: Action, number: int, started: float, connect_ms: float) -> Tried:
        fast, kept, self._newest = self._fast_key, self._kept, 0
        self._fast_key, self._kept = None, False  # whatever fails: a full handshake with the token is next
        reply = await talk.ask(Cmd(number, action), fast, kept=kept)
        self._fast_key = talk.session.fast_key or (fast if reply.road is Road.FAST else None)
        self._kept = kept or talk.session.fast_key is not None
        self._newest, self._told = reply.receipt, reply.list_sequence or 0
        return replace(_told(talk, action, reply.outcome, self._ms(started), connect_ms), road=reply.road)

    async def _bring(self, talk: Conversation, tried: Tried, number: int, vehicle: Vehicle) -> Tried:
        """Push the list once the command is answered: no door waits for it. What it was refused for may be cured then,
        and the same number may be asked again. So it is in a car that waits, whatever for: the list may have turned
        its verdict, and its nonce with it, and the answer comes behind that.
        """
        if not await self.satchel.deliver(talk, vehicle, self._told):
            return tried
        if talk.waiting or (tried.outcome in (Outcome.LIST_STALE.label, Outcome.LIST_REQUIRED.label) and talk.alive):
            response = await self._insist(talk, Cmd(number, tried.action))
            self._newest = response.receipt
            tried = replace(tried, outcome=response.outcome.label, ok=response.outcome.ok)
        return replace(tried, list_ack=self.satchel.acks[vehicle.id])

    async def _insist(self, talk: Conversation, command: Cmd) -> Res:
        """Its answer, with the chain brought for as long as the car asks for it: what others bring there meanwhile
        turns its verdict as well."""
        response = await talk.command(command)
        for _ in range(MOST_CHAINS):
            asked = response.outcome is Outcome.CHAIN_REQUIRED and talk.waiting and talk.session.has_chain
            if not asked or talk.result is None:
                break
            await talk.with_chain(talk.result)
            response = await talk.command(command)
        return response

    async def _receipt(self, talk: Conversation, number: int) -> Receipt | None:
        """The receipt of that command, verified; ``None`` if the car gave none that holds or the link is gone."""
        if not self._newest or self._invitation is None:
            return None
        vehicle = self._invitation.vehicle
        try:
            for signed in (await talk.receipts(self._newest - 1)).signed:
                receipt = verify_receipt(signed, vehicle.public_key)
                if receipt.number == number and receipt.vehicle_id == vehicle.id:
                    return receipt
        except (TokenError, LinkError, ProtocolError):
            return None
        return None


def _told(talk: Conversation, action: Action, outcome: Outcome, ms: float, connect_ms: float | None) -> Tried:
    """What the car answered, and what it has cost up to then."""
    return Tried(
        action,
        outcome.label,
        outcome.ok,
        None,
        ms,
        connect_ms,
        talk.handshake_ms,
        talk.answered.round_trips,
        talk.answered.message_bytes,
        talk.answered.air_bytes,
        chain=talk.brought_chain,
    )


def load_signer(folder: Path, random: Random) -> LocalSigner:
    """The phone's device key, made at the first start and kept in a file that only this user reads."""
    path = folder / "device-key.pem"
    if path.exists():
        return LocalSigner.from_pem(path.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    signer = new_signer(random)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(signer.to_pem())
    return signer


def describe(phone: Phone) -> dict[str, str]:
    """The public half, as ``:share`` wants it."""
    return {
        "public_key": encode_base64url(phone.public_key),
        "device_id": phone.device_id,
        "thumbprint": thumbprint(phone.public_key).hex(),
    }
