"""The control API of a simulated phone: what its user does with it, over HTTP.

Who may, and how errors look: ``keygw_sim.served``. ``POST /phone`` takes every order that the phone obeys on stdin, and
answers as it answers there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from keygw.model.errors import BadInput, KeygwError
from keygw_sim.served import Served, problem, read_json, unknown

ORDER_SECONDS = 30.0
Obey = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class PhoneControl:
    """``async with PhoneControl(obey, folder).serving() as url``. ``obey``: as on stdin, with the same errors."""

    def __init__(self, obey: Obey, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._obey = obey
        self._served = Served(folder, host, port)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """``OSError`` when the port is taken."""
        async with self._served.serving(self.app()) as url:
            yield url

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[Route("/phone", self._order, methods=["POST"])], exception_handlers={KeygwError: _refused}
        )

    @property
    def token(self) -> str:
        return self._served.token

    async def _order(self, request: Request) -> JSONResponse:
        if not self._served.may(request):
            return unknown()
        order = await read_json(request)
        if not isinstance(order, dict):
            raise BadInput("an order is a JSON object", code="bad_order")
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                return JSONResponse(await self._obey(order))
        except TimeoutError:
            return problem(503, "phone_busy", "the phone is at something else", "try again")
        except KeyError as error:
            raise BadInput(f"not an order: {error.args[0]} is missing", code="bad_order") from error
        except (ValueError, TypeError) as error:
            raise BadInput(f"not an order: {error}", code="bad_order") from error


async def _refused(_: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, KeygwError)  # noqa: S101 - registered for these alone
    return problem(400 if isinstance(error, BadInput) else 503, error.code, str(error), "see: keygw sim where --help")
