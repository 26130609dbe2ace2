"""One gateway over HTTP: the token in a header and nowhere else, a time-out on everything, a bound on every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from keygw import __version__
from keygw.client.bound import BoundAuth
from keygw.client.problem import KeygwClientError, Problem, Stranger, Unreachable

T = TypeVar("T")
CONNECT_S = 5.0
READ_S = 10.0
STREAM_SILENCE_S = 45.0
"""The gateway says something every 15 s; three times nothing means that it is gone."""
MAX_ANSWER = 16 * 2**20
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class Connection:
    """``close`` it. No redirect is followed, and nothing local goes through a proxy: both could leak the token."""

    def __init__(self, url: str, token: str | BoundAuth, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        headers = {"Accept": "application/json", "User-Agent": f"keygw-client/{__version__}"}
        self._bound = token if isinstance(token, BoundAuth) else None
        if isinstance(token, str):
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            auth=self._bound,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=httpx.URL(url).host not in _LOCAL,
            transport=transport,
        )

    def move(self, url: str) -> None:
        """The same gateway, or another on the same database, at another address."""
        self._http.base_url = httpx.URL(url)
        if self._bound is not None:
            self._bound.move(url)

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """The answer's JSON; ``None`` where there is none. ``wait``: seconds that the gateway may take on top.

        ``Problem``, ``Unreachable``, ``Stranger``.
        """
        timeout = httpx.Timeout(READ_S + wait, connect=CONNECT_S)
        sent = {"method": method, "url": path, "json": body, "params": query, "headers": headers, "timeout": timeout}
        try:
            async with self._http.stream(**sent) as response:  # type: ignore[arg-type]  # as declared above
                raw = await _bounded(response)
        except httpx.HTTPError as error:
            raise _unreachable(error, method) from error
        if not response.is_success:
            raise _refusal(response.status_code, raw)
        return parsed(TypeAdapter(Any), raw) if raw else None

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], last_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The chunks of an event stream, for as long as it says something."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        timeout = httpx.Timeout(READ_S, connect=CONNECT_S, read=STREAM_SILENCE_S)
        try:
            async with self._http.stream("GET", path, params=query, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    raise _refusal(response.status_code, await _bounded(response))
                yield response.aiter_bytes()
        except httpx.HTTPError as error:
            raise _unreachable(error, "GET") from error


def parsed(shape: TypeAdapter[T], raw: bytes) -> T:
    """``Stranger`` if it is not of that shape."""
    try:
        return shape.validate_json(raw)
    except ValidationError as error:
        raise Stranger("what answers there is no keygw gateway, or speaks another version of its API") from error


async def _bounded(response: httpx.Response) -> bytes:
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > MAX_ANSWER:
            raise Stranger(f"an answer of more than {MAX_ANSWER} bytes is none of a gateway's")
    return bytes(raw)


def _refusal(status: int, raw: bytes) -> KeygwClientError:
    told = parsed(TypeAdapter(dict[str, Any]), raw)
    if not {"code", "detail"} <= told.keys():
        return Stranger(f"what answers there is no keygw gateway (status {status})")
    return Problem(status, told)


def _unreachable(error: httpx.HTTPError, method: str) -> Unreachable:
    refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    text = "no gateway answers there" if refused else "the connection to the gateway broke off"
    may = not refused and method != "GET"
    return Unreachable(f"{text} ({type(error).__name__})", retryable=True, may_have_happened=may)
