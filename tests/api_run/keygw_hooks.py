"""What schemathesis is told of keygw beyond the document: how a phone answers, and two rules of judgement.

The document says what a public key or a proof looks like; only who has a private key can make one. So a request that is
meant to be good gets real ones here: nothing that is meant to be bad is touched.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import schemathesis
from schemathesis import CheckContext, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import EnsureResourceAvailability

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.ids import format_id
from keygw.token.possession import InvitationAct, sign_possession, sign_registration

Case = schemathesis.Case[Any]

_FRESH = itertools.count()
_SECRETS: dict[str, tuple[str, str | None]] = {}
"""Invitation -> what stands behind the # of its link, and its activation code, as they were answered once."""

_THERE: set[str] = set()
"""Ids and challenges that some answer has named: what a link leads to."""


def _meant_well(case: Case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def _phone(seed: str) -> LocalSigner:
    """A phone for each text: the same one in every run."""
    return LocalSigner.from_secret(int.from_bytes(sha256(seed.encode()).digest()[:31], "big") + 1)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(each)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Real keys, proofs and secrets instead of text that looks like them."""
    if case.path_parameters.get("operator_id") == os.environ["API_RUN_OPERATOR"]:
        # Ids that answers have named are asked for elsewhere: the run would end its own token.
        case.path_parameters["operator_id"] = format_id("opr", bytes(10))
    if not _meant_well(case):
        return
    if case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL:
        _begin_anew(case)
    phone = LocalSigner.from_secret(1)
    for each in _objects(case.body):
        if isinstance(each.get("public_key"), str):
            phone = _phone(each["public_key"])
            each["public_key"] = encode_base64url(phone.public_key)
        if isinstance(each.get("profile"), str):
            each["profile"] = "access"
        if isinstance(each.get("tenant_id"), str) and each["tenant_id"] not in _THERE:
            each["tenant_id"] = "default"
        if _operation(case) == "operators_add":
            each["role"] = "support"
        if isinstance(each.get("expires_at"), str):
            each["expires_at"] = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(case.body, dict):
        _answer(case, case.body, phone)


def _begin_anew(case: Case) -> None:
    """A story of several steps is of things that no other story has touched, or one would end as the other wants."""
    if "idempotency-key" in case.headers:
        case.headers["idempotency-key"] = f"wish-{next(_FRESH)}"
    if isinstance(case.body, dict) and _operation(case) == "vehicles_register":
        case.body["id"] = _fresh_id()
    for values in (case.path_parameters, case.body):
        if isinstance(values, dict):
            for name in sorted(values.keys() & _MAKE.keys()):
                if values[name] not in _THERE:  # where no link has led here
                    values[name] = _MAKE[name]()


def _fresh_id() -> str:
    return format_id("veh", next(_FRESH).to_bytes(10, "big"))


def _ask(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Beside the run, as its operator."""
    headers = {"Authorization": f"Bearer {os.environ['API_RUN_TOKEN']}"}
    made = httpx.post(f"{os.environ['API_RUN_URL']}{path}", json=body, headers=headers, trust_env=False)
    made.raise_for_status()
    return dict(made.json())


def _vehicle() -> str:
    point = encode_base64url(LocalSigner.from_secret(next(_FRESH) + 1).public_key)
    body = {"id": _fresh_id(), "name": "Van", "public_key": point, "advertising_key": "A" * 22}
    return str(_ask("/v1/vehicles", body)["id"])


_MAKE: dict[str, Callable[[], str]] = {
    "vehicle_id": _vehicle,
    "key_id": lambda: str(_ask("/v1/keys", {"vehicle_id": _vehicle(), "role": "owner"})["id"]),
    "challenge": lambda: str(_ask("/v1/devices/challenges")["challenge"]),
}


def _operation(case: Case) -> str:
    return str(case.operation.definition.raw["operationId"])


def _answer(case: Case, body: dict[str, Any], phone: LocalSigner) -> None:
    """What the phone signs for a registration, a claim or a refusal."""
    operation = _operation(case)
    if operation == "devices_register":
        body.pop("attestation", None)
        body["proof"] = encode_base64url(sign_registration(decode_base64url(body["challenge"]), None, phone))
    elif operation in ("invitations_view", "invitations_claim", "invitations_decline"):
        invitation = case.path_parameters.get("invitation_id")
        if invitation not in _SECRETS:
            return
        body["secret"], code = _SECRETS[invitation]
        act = InvitationAct.DECLINE if operation.endswith("decline") else InvitationAct.CLAIM
        if isinstance(body.get("public_key"), str):
            body["proof"] = encode_base64url(sign_possession(act, invitation, decode_base64url(body["secret"]), phone))
        if operation == "invitations_claim":
            body.pop("attestation", None)
            body["activation_code"] = code


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Whoever makes an invitation passes its link on; and what is answered is there."""
    if response.status_code != 201:
        return
    made = response.json()
    for each in _objects(made):
        _THERE.update(each[name] for name in ("id", "challenge") if isinstance(each.get(name), str))
    if _operation(case) == "invitations_create" and made["link"] is not None:
        _SECRETS[made["id"]] = made["link"].partition("#")[2], made["activation_code"]


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Something that was just made is there. A 404 about another thing, which the body or the query names, is no
    failure: schemathesis takes any 404 for the one. To a phone that gives a key back, another's is not there."""
    if not isinstance(failure, EnsureResourceAvailability):
        return True
    if _operation(case) == "keys_give_back":
        return False
    missing = response.json()["code"].removeprefix("unknown_")
    return missing in re.findall(r"{(\w+)_id}", case.path)


@schemathesis.check
def valid_is_readable(ctx: CheckContext, response: Response, case: Case) -> None:
    """A request that the document allows is never refused for its form: the document says all that the form is."""
    if _meant_well(case) and response.status_code == 422 and response.json()["code"] == "validation":
        raise AssertionError(f"the document allows it, the gateway does not: {response.json()['errors']}")
