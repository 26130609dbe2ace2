"""Reaches a simulator that runs in another process, through what it serves (``keygw_sim.served``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure

FILE = "control.json"
ANSWER_S = 35.0
_BY_STATUS = {400: Exit.USAGE, 401: Exit.NOT_AUTHORISED, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT}


class Remote:
    """What runs in ``folder``. ``nobody``: raised where nothing does."""

    def __init__(self, folder: Path, nobody: Failure) -> None:
        self._nobody = nobody
        try:
            told = json.loads((folder / FILE).read_text("utf-8"))
            self._url, self._token = str(told["url"]), str(told["token"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise nobody from error

    def ask(self, method: str, path: str, order: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer; ``Failure`` with its code and next step for a refusal."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = httpx.request(
                method, self._url + path, json=order, headers=headers, timeout=ANSWER_S, trust_env=False
            )
            told: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._nobody from error
        if answer.is_success:
            return told
        exit_code = _BY_STATUS.get(answer.status_code, Exit.ENVIRONMENT)
        raise Failure(exit_code, str(told.get("code")), str(told.get("detail")), str(told.get("next")))

    def events(self) -> Iterator[dict[str, Any]]:
        """What has happened, and happens from now on, until it is switched off."""
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            with connect(self._url.replace("http", "ws", 1) + "/events", additional_headers=headers) as stream:
                for message in stream:
                    yield json.loads(message)
        except OSError as error:
            raise self._nobody from error
        except WebSocketException as error:
            raise Failure(
                Exit.NOT_DONE, "events_ended", f"the events ended: {error}", "see: keygw sim state"
            ) from error
