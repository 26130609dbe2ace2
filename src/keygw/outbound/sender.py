"""One POST to a stranger: the name resolved here, each address judged, and the connection made to one that was judged.

TLS verifies the name all the same. Between the look at the address and the connection nobody is asked again, so a name
that stands for something else a moment later (DNS rebinding) changes nothing. Redirects are not followed, proxies of
the environment are not used, no cookie is kept, and no connection is used twice: two names at one address are two
receivers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from keygw.bridge.webhook_ports import Answer, Failure
from keygw.bridge.webhook_targets import Address, Target, TargetRefused, check_addresses, parse_target
from keygw.outbound.resolver import NameUnknown, Resolver

SECONDS = 15.0
"""For all of it: name, connection, request, answer."""
CONNECT_SECONDS = 5.0
MOST_ADDRESSES = 3
"""That are tried, one after the other, while none connects."""
MOST_READ = 4096
"""Bytes of the answer's body; what it says is of no interest."""
READ_SECONDS = 2.0


@dataclass(slots=True)
class _Seen:
    """Of the answer, as soon as it is known: what comes behind may be late."""

    status: int | None = None
    retry_after: str | None = None


class Sender:
    """``bridge.webhook_ports.Post``. ``loopback``: this machine may be meant, also over plain http: for tests. ``tls``:
    whom to trust, if not those that the system trusts."""

    def __init__(
        self,
        *,
        loopback: bool = False,
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._loopback = loopback
        self._tls = tls
        self._resolver = resolver or Resolver()
        self._seconds = seconds

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        began = loop.time()
        seen, failure = _Seen(), None
        try:
            async with asyncio.timeout(self._seconds):
                target = parse_target(url, loopback=self._loopback)
                addresses = await self._addresses(target)
                await self._try_each(target, addresses, headers, body, seen)
        except TargetRefused:
            failure = Failure.ADDRESS_REFUSED
        except NameUnknown:
            failure = Failure.NAME_UNKNOWN
        except (TimeoutError, httpx.TimeoutException):
            failure = Failure.TIMED_OUT
        except httpx.ConnectError as error:
            failure = Failure.TLS_FAILED if _of_tls(error) else Failure.CONNECT_FAILED
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError):
            failure = Failure.CONNECTION_LOST
        if seen.status is not None:
            failure = _judged(seen.status)
        return Answer(seen.status, failure, loop.time() - began, seen.retry_after)

    async def _addresses(self, target: Target) -> list[Address]:
        if target.address is not None:
            told = [target.host]
        else:
            told = await self._resolver.addresses(target.host, target.port)
        return check_addresses(target.scheme, told, loopback=self._loopback)

    async def _try_each(
        self, target: Target, addresses: list[Address], headers: Mapping[str, str], body: bytes, seen: _Seen
    ) -> None:
        """The next address only while nothing has been sent."""
        last = addresses[:MOST_ADDRESSES][-1]
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._post(target, address, headers, body, seen)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if address is last or _of_tls(error):
                    raise
        return None

    async def _post(
        self, target: Target, address: Address, headers: Mapping[str, str], body: bytes, seen: _Seen
    ) -> None:
        url = httpx.URL(scheme=target.scheme, host=str(address), port=target.port, raw_path=target.place.encode())
        async with httpx.AsyncClient(
            verify=await self._trusted(),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        ) as client:
            request = client.build_request(
                "POST",
                url,
                content=body,
                headers={"Host": target.authority, "Accept-Encoding": "identity", "Connection": "close", **headers},
                extensions={"sni_hostname": target.host},
            )
            response = await client.send(request, stream=True)
            seen.status, seen.retry_after = response.status_code, response.headers.get("retry-after")
            with contextlib.suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await _look_at(response)
            await response.aclose()

    async def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx.create_ssl_context)
        return self._tls


async def _look_at(response: httpx.Response) -> None:
    """So that a short answer is taken whole before the connection ends. As it came: nothing is unpacked."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size >= MOST_READ:
            return


def _of_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _judged(status: int) -> Failure | None:
    if 200 <= status < 300:
        return None
    return Failure.REDIRECTED if 300 <= status < 400 else Failure.STATUS
