"""Rules of what a key may, and of the time."""

from __future__ import annotations

from typing import Any

import pytest

from attack_mutants.register import CAR, ENGINE, always, frees
from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.ids import ID_BYTES, format_id
from keygw.token.cwt import decode_cwt
from keygw.token.envelope import Envelope
from keygw.token.time_proof import verify_time_proof
from keygw.wire.messages import TimeState
from keygw_sim.vehicle import chain, keeper, rules
from keygw_sim.vehicle.keeper import Keeper
from keygw_sim.vehicle.timekeeper import Timekeeper


@frees("token-expired", CAR)
@frees("token-not-yet-valid", CAR)
@frees("token-revoked", CAR)
@frees("token-suspended", CAR)
@frees("token-of-a-stranger", CAR)
@frees("share-too-deep", CAR)
@frees("grant-outlives-its-parent", CAR)
@frees("held-open-past-its-end", CAR)
@frees("list-rolled-back", CAR)
@frees("held-open-after-revocation", CAR)
@frees("lost-phone-after-the-list", CAR)
@frees("fast-after-revocation", CAR)
@frees("friend-key-by-the-issuer-alone", CAR)
def every_key_is_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "judge_key", always(Outcome.DONE))
    rights_are_not_cut(patch)  # a key that was never asked for its chain has none


@frees("friend-key-by-the-issuer-alone", CAR)
def whose_signature_a_grant_has_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    real = Envelope.verify

    def verify(self: Envelope, public_key: bytes) -> None:
        if self.kid:
            real(self, public_key)

    patch.setattr(Envelope, "verify", verify)


@frees("friend-key-by-the-issuer-alone", CAR)
def a_grant_says_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain, "check_grant", always(None))
    patch.setattr(chain, "check_within", always(None))


@frees("friend-key-by-the-issuer-alone", CAR)
def an_owner_is_whoever_the_issuer_says(patch: pytest.MonkeyPatch) -> None:
    class Anybody(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

    patch.setattr(chain, "thumbprint", lambda public_key: Anybody(thumbprint(public_key)))


@frees("friend-asks-for-more", ENGINE)
@frees("relay-drive", ENGINE)
@frees("relay-passive-entry", CAR)
@frees("friend-with-a-wider-key", ENGINE)
def every_key_may_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "judge_action", always(Outcome.DONE))
    patch.setattr(rules, "list_too_old", always(False))


@frees("list-withheld-to-drive", ENGINE)
def no_list_is_too_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "list_too_old", always(False))


@frees("friend-with-a-wider-key", ENGINE)
@frees("friend-widened-by-an-older-token", "breach")
def rights_are_not_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain, "rights", lambda claims, memory: claims.entitlements)
    patch.setattr(rules, "list_too_old", always(False))


@frees("token-in-the-issuers-name", CAR)
@frees("issuer-key-forged", CAR)
@frees("list-forged", "list 9 in force")
@frees("ack-forged", "breach: the service says revoked")
def signatures_of_objects_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Envelope, "verify", always(None))


@frees("token-of-another-car", CAR)
def tokens_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keeper, "verify", lambda self, token: decode_cwt(token, self._issuers()))


@frees("power-cut-by-a-friend", CAR)
@frees("time-proof-replayed", CAR)
@frees("list-withheld-from-a-proof", CAR)
def nobody_needs_the_time(patch: pytest.MonkeyPatch) -> None:
    everything = frozenset(Action), frozenset(Action)
    patch.setattr(rules, "WHAT_TIME_ALLOWS", dict.fromkeys(TimeState, everything))


@frees("time-proof-replayed", CAR)
def a_time_proof_counts_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timekeeper, "refusal", always(None))


@frees("time-proof-of-another-car", CAR)
def time_proofs_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    def verify(signed: bytes, issuers: Any, vehicle_id: str) -> Any:
        at = signed.index(b"\x84\x4a") + 2  # an array of 4 that begins with a vehicle id, whosever it is
        return verify_time_proof(signed, issuers, format_id("veh", signed[at : at + ID_BYTES]))

    patch.setattr(keeper, "verify_time_proof", verify)


@frees("list-withheld-from-a-proof", CAR)
def the_list_of_a_time_proof_is_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    real = Timekeeper.moment
    patch.setattr(Timekeeper, "moment", lambda self, floor, sequence: real(self, floor, 2**32))


@frees("power-cut-after-the-issuers-word", CAR)
def the_floor_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = Timekeeper.moment
    patch.setattr(Timekeeper, "moment", lambda self, floor, sequence: real(self, 0, sequence))
