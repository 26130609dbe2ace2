"""A gateway in a process of its own, that can be killed and started again on the same data."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

START_SECONDS = 60.0
END_SECONDS = 30.0
REQUEST_SECONDS = 30.0


class DidNotStart(Exception):
    """The text is what it said on stderr."""


class GatewayProcess:
    """``keygw serve`` on ``data``. ``more``: further options of it. ``launcher``: the words before ``serve``."""

    def __init__(
        self,
        data: Path,
        *more: str,
        env: Mapping[str, str] | None = None,
        launcher: Sequence[str] = (sys.executable, "-m", "keygw"),
    ) -> None:
        self.data = data
        self.url = ""
        self._command = [
            *launcher,
            *("serve", "--data", str(data), "--radio", "none", "--port", "0", "--json"),
            *more,
        ]
        self._env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def spawn(self) -> None:
        """Start it, and do not wait until it is up."""
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._env,
            )

    async def start(self) -> None:
        """Start it, and wait until it is up."""
        await self.spawn()
        await self.ready()

    async def ready(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        if not line:
            await process.wait()
            tail = (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")[-2000:]
            raise DidNotStart(tail)
        self.url = json.loads(line)["url"]

    async def kill(self) -> None:
        """SIGKILL: no goodbye, no clean-up."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(END_SECONDS):
            return await self._process.wait()

    def client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=REQUEST_SECONDS, trust_env=False
        )

    def operator_token(self) -> str:
        return (self.data / "operator.token").read_text().strip()

    async def new_app(self, *scopes: str, **more: object) -> str:
        """The bearer token of a new app."""
        async with self.client(self.operator_token()) as http:
            answer = await http.post(
                "/v1/apps", json={"name": "Chaos", "scopes": list(scopes), "machine": True, **more}
            )
        answer.raise_for_status()
        return str(answer.json()["token"])
