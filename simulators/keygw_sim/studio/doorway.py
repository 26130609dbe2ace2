"""The gateway's API for the console's page, which gets no token of it: asked here, and written into the ring."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from keygw.model.errors import KeygwError
from keygw_sim.studio.air import Ring

ASK_SECONDS = 35.0
MAX_ANSWER = 4 << 20
METHODS = ("GET", "POST", "PUT", "DELETE")
_PASSED = ("content-type", "idempotency-key", "if-match")
_TOLD = ("content-type", "etag", "location", "retry-after", "x-trace-id", "x-total-count")


class GatewayAway(KeygwError):
    """No gateway answers."""

    code = "gateway_away"


class Doorway:
    """``token``: asked each time, for a gateway may be started anew. Requests stand in the ring as ``request``: method,
    path, status, milliseconds, trace id, problem code, and the ``number`` of a command, which its frames carry."""

    def __init__(self, url: Callable[[], str], token: Callable[[], str], ring: Ring) -> None:
        self._url, self._token, self._ring = url, token, ring
        self._http = httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body. ``GatewayAway``."""
        began, at = time.perf_counter(), time.time()
        url = f"{self._url()}/{path}" + (f"?{query}" if query else "")
        sent = {name: headers[name] for name in _PASSED if name in headers}
        sent["authorization"] = f"Bearer {self._token()}"
        try:
            async with self._http.stream(method, url, headers=sent, content=body or None) as answer:
                said = await _read(answer.aiter_bytes())
        except httpx.HTTPError as error:
            raise GatewayAway(f"the gateway does not answer ({type(error).__name__})") from error
        told = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        ms = (time.perf_counter() - began) * 1000
        self._note(at, ms, method, path, answer.status_code, told, said)
        return answer.status_code, told, said

    def _note(
        self, at: float, ms: float, method: str, path: str, status: int, told: dict[str, str], said: bytes
    ) -> None:
        body: Any = None
        if "json" in told.get("content-type", "") and len(said) < 1 << 16:
            try:
                body = json.loads(said)
            except ValueError:
                body = None
        fields = body if isinstance(body, dict) else {}
        if method == "GET" and status < 400:
            return  # the page looks every few seconds; what is asked for matters, and what is refused
        number = fields.get("number")
        self._ring.put("request", {
            "at": at, "ms": round(ms, 1), "method": method, "path": f"/{path}", "status": status,
            "trace": told.get("x-trace-id", ""), "code": fields.get("code"), "detail": fields.get("detail"),
            "number": number if isinstance(number, int) else None, "id": fields.get("id"),
            "action": fields.get("action"),
        })  # fmt: skip


async def _read(chunks: AsyncIterator[bytes]) -> bytes:
    data = b""
    async for chunk in chunks:
        data += chunk
        if len(data) > MAX_ANSWER:
            raise GatewayAway(f"the gateway's answer has more than {MAX_ANSWER >> 20} MiB")
    return data
