"""The bridge API as a command sees it: JSON in, JSON out, every failure a ``Failure`` with a next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from keygw import __version__
from keygw.cli.endpoint import Endpoint
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure

CONNECT_S = 3.0
READ_S = 10.0
STREAM_SILENCE_S = 45.0
"""The gateway says something every 15 s; three times nothing means that it is gone."""

_BY_STATUS = {
    401: Exit.NOT_AUTHORISED,
    403: Exit.NOT_AUTHORISED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    400: Exit.USAGE,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
    503: Exit.ENVIRONMENT,
}
_NEXT_BY_CODE = {
    "token_unknown": "if the gateway uses another data directory, set KEYGW_DATA; else register again: keygw apps add",
    "dpop_required": "for a machine or a test: keygw apps add NAME --scope SCOPE --machine; a phone app is let in by "
    "the car's code and proves each request (keygw dpop)",
    "token_expired": "ask the operator for a new token: keygw apps add",
    "token_revoked": "ask the operator for a new token: keygw apps add",
    "unknown_app": "see what there is: keygw apps list",
    "unknown_tenant": "see what there is: keygw admin tenants list",
    "unknown_operator": "see what there is: keygw admin operators list",
    "unknown_person": "see what there is: keygw admin people list",
    "unknown_role": "choose admin, fleet, support, auditor or issuer",
    "role_of_the_platform": "leave --tenant out, or choose admin, fleet, support or auditor",
    "role_too_high": "ask an admin of the whole gateway",
    "last_admin": "first: keygw admin operators add NAME --role admin",
    "app_bound": "first: keygw admin people unbind PERSON APP",
    "person_has_keys": "revoke its keys and wait for the cars' word: keygw keys overdue --older-than 1m",
    "unknown_vehicle": "see what there is: keygw vehicles list",
    "unknown_key": "see what there is: keygw keys list",
    "no_key": "issue one: keygw keys issue VEHICLE",
    "key_suspended": "lift the suspension: keygw keys resume KEY",
    "key_revoked": "a revoked key stays revoked; share a new one: keygw keys share",
    "key_expired": "an expired key stays expired; share a new one: keygw keys share",
    "wider_than_parent": "look at what the parent holds: keygw keys show KEY",
    "outlives_parent": "choose an earlier end with --for or --until",
    "unknown_profile": "see what there is: keygw profiles list",
    "profile_too_long": "choose an earlier end with --for or --until; keygw profiles show PROFILE tells how long",
    "profile_role": "choose another profile: keygw profiles list",
    "attestation_required": "register the phone with an attestation: keygw devices register",
    "hosted_refused": "share to a phone that holds its own key",
    "challenge_unknown": "ask for a new one: keygw devices challenge",
    "device_in_use": "revoke its keys first: keygw keys list",
    "vehicle_full": "revoke what nobody needs: keygw keys list",
    "owner_full": "revoke what nobody needs: keygw keys list",
    "device_full": "revoke what nobody needs: keygw keys list",
    "too_many_devices": "remove one: keygw devices remove DEVICE",
    "bad_lifetime": "choose another end with --for or --until",
    "device_lost": "say that it is back first: keygw devices found DEVICE --proof TEXT",
    "step_up_required": "let the phone sign for this loss (--proof), or ask the operator",
    "unknown_device": "see which device a key is on: keygw keys show KEY",
    "unknown_transfer": "ask who offers the vehicle for the whole offer",
    "transfer_offered": "take that offer back first: keygw vehicles cancel-transfer TRANSFER",
    "transfer_expired": "ask for a new one: keygw vehicles transfer VEHICLE",
    "vehicle_reserved": "have it handed over: keygw vehicles transfer VEHICLE",
    "grant_required": "a phone holds that key; hand in what it signs: --grant, or keygw invitations grant",
    "unknown_invitation": "see what there is: keygw invitations list",
    "invitation_accepted": "the friend has the key; take it back with: keygw keys revoke KEY",
    "invitation_not_claimed": "wait until the friend has opened the link: keygw invitations show INVITATION",
    "too_many_invitations": "take one back: keygw invitations cancel INVITATION",
    "out_of_range": "bring the vehicle near the gateway's radio; keygw doctor looks at the radio",
    "link_timeout": "bring the vehicle near the gateway's radio and try again",
    "link_lost": "try again; keygw status VEHICLE shows how the vehicle stands",
    "radio_busy": "try again, or end a link that is not needed: keygw disconnect VEHICLE",
    "radio_unavailable": "look at the radio: keygw doctor",
    "pairing_required": "open pairing mode in the vehicle, then: keygw pair CODE",
    "pairing_locked": "wait ten minutes, then read the code again: keygw pair CODE",
    "pairing_under_way": "wait for it to end, two minutes at most",
    "busy": "wait a second and try again",
    "store_busy": "another program holds the gateway's database; end it, then try again",
}


class Gateway:
    """A context manager. No redirect is followed, and nothing local goes through a proxy: both could leak the token."""

    def __init__(self, endpoint: Endpoint, read_timeout: float = READ_S) -> None:
        self.endpoint = endpoint
        self._timeout = read_timeout
        self._http = httpx.Client(
            base_url=endpoint.url,
            headers={"Authorization": f"Bearer {endpoint.token}", "User-Agent": f"keygw-cli/{__version__}"},
            timeout=httpx.Timeout(read_timeout, connect=CONNECT_S),
            trust_env=not endpoint.local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        return self.call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.call("POST", path, body=body)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """The answer's JSON (``None`` for 204). ``wait``: seconds that the gateway may take on top of the usual."""
        timeout = httpx.Timeout(self._timeout + wait, connect=CONNECT_S)
        try:
            response = self._http.request(method, path, json=body, params=params, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise self._refused(response)
        return None if response.status_code == 204 else self._json(response)

    @contextmanager
    def stream(self, path: str, params: dict[str, str], last_id: str) -> Iterator[Iterator[bytes]]:
        """An open event stream, as the chunks that arrive."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx.Timeout(STREAM_SILENCE_S, connect=CONNECT_S)
        try:
            with self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    raise self._refused(response)
                yield response.iter_raw()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> Failure:
        url = self.endpoint.url
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            start = (
                "start one with: keygw serve; or name another with --url" if self.endpoint.local else "look at --url"
            )
            return Failure(Exit.NO_GATEWAY, "no_gateway", f"no gateway at {url}", start)
        if isinstance(error, httpx.TimeoutException):
            return Failure(
                Exit.NO_GATEWAY,
                "gateway_timeout",
                f"the gateway at {url} did not answer in time; it may have done what was asked",
                "look how things stand before you ask again: keygw keys list, keygw status VEHICLE",
            )
        return Failure(
            Exit.NO_GATEWAY,
            "gateway_lost",
            f"the connection to {url} broke off ({type(error).__name__}); the gateway may have done what was asked",
            "see whether it is still running (keygw doctor), and look how things stand before you ask again",
        )

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise self._stranger(response) from None

    def _stranger(self, response: httpx.Response) -> Failure:
        return Failure(
            Exit.NO_GATEWAY,
            "not_a_gateway",
            f"what answers at {self.endpoint.url} is no keygw gateway (status {response.status_code})",
            "look at --url and KEYGW_URL",
        )

    def _refused(self, response: httpx.Response) -> Failure:
        try:
            problem = response.json()
            code, detail = str(problem["code"]), str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            return self._stranger(response)
        for each in problem.get("errors") or ():
            detail += f"; {each.get('at')}: {each.get('message')}"
        return Failure(
            _BY_STATUS.get(response.status_code, Exit.NOT_DONE), code, detail, self._next(code, problem), problem
        )

    def _next(self, code: str, problem: dict[str, Any]) -> str:
        if code in _NEXT_BY_CODE:
            return _NEXT_BY_CODE[code]
        if scope := problem.get("required_scope"):
            return (
                f"use a token with the scope {scope} (this one came from {self.endpoint.source}); "
                "keygw apps whoami shows what it is good for"
            )
        if code == "internal":
            return f"tell the operator the trace id {problem.get('trace_id', '-')}; the gateway's log has the rest"
        if problem.get("retryable"):
            return f"try again in {problem.get('retry_after', 1)} s"
        return "change the request; the command's --help tells what it takes"
