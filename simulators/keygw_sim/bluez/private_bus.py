"""A ``dbus-daemon`` of our own: one socket that only this user may open, and no rule about who may own or call what."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

PROGRAM = "dbus-daemon"
START_S = 10.0
END_S = 5.0
MAX_PATH = 100
"""A socket's path has at most 107 bytes on Linux; the daemon binds it as it is."""

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
# The shell outlives nobody: it ends the daemon, and removes the folder, when its own stdin ends: a pipe that we hold.
_WATCH = '"$@" & daemon=$!; exec >&- 2>&-; read -r _; kill "$daemon"; wait "$daemon"; rm -rf "$0"'


class BusUnavailable(Exception):
    """There is no private bus to be had. The text says what to do."""


class PrivateBus:
    """``async with PrivateBus() as bus: bus.address``. ``path``: of its socket, else one in a folder of its own.

    The daemon ends with this process, however that ends.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def __aenter__(self) -> PrivateBus:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """``BusUnavailable``: no dbus-daemon here, the path is taken or too long, or it did not start."""
        program = await asyncio.to_thread(shutil.which, PROGRAM)
        if program is None:
            raise BusUnavailable(f"{PROGRAM} is not installed; on Debian or Ubuntu: apt-get install dbus")
        self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="keygw-bus-"))
        try:
            await self._start(program, self._folder, self._path or self._folder / "bus")
        except BaseException:
            await self.stop()
            raise

    async def _start(self, program: str, folder: Path, path: Path) -> None:
        if len(str(path).encode()) > MAX_PATH:
            raise BusUnavailable(f"{path} is too long for a socket; name one of at most {MAX_PATH} bytes")
        if await asyncio.to_thread(path.exists):
            raise BusUnavailable(f"{path} is there already; name another, or remove it if nobody uses it")
        config = folder / "bus.conf"
        await asyncio.to_thread(config.write_text, _CONFIG.format(path=_escaped(str(path))))
        self._process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _WATCH, str(folder), program, f"--config-file={config}", "--nofork", "--nosyslog",
            "--print-address=1", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None  # noqa: S101 - we asked for a pipe
        assert stderr is not None  # noqa: S101 - we asked for a pipe
        try:
            async with asyncio.timeout(START_S):
                line = (await stdout.readline()).decode().strip()
        except TimeoutError as error:
            raise BusUnavailable(f"{PROGRAM} did not start within {START_S:g} s") from error
        if not line:
            said = (await stderr.read(4096)).decode(errors="replace").strip()
            raise BusUnavailable(f"{PROGRAM} did not start: {said.splitlines()[-1] if said else 'it said nothing'}")
        self.address = line

    async def wait_lost(self) -> None:
        """Return when the daemon has ended."""
        if self._process is not None and self._process.stdout is not None:
            await self._process.stdout.read()  # of the daemon alone by now: the shell has closed its own

    async def stop(self) -> None:
        """End it and remove what it left. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if process is not None and self._path is not None:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)


def _escaped(path: str) -> str:
    """In a D-Bus address, inside XML: all but a few characters are written in hex."""
    safe = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz/."
    return "".join(chr(byte) if byte in safe else f"%{byte:02x}" for byte in path.encode())
