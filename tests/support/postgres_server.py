"""A real PostgreSQL for the tests: its own directory, its own Unix socket, no TCP, gone when the tests are.

PostgreSQL refuses to run as root, so root starts it as another user. Where the operating system can, the server is told
to stop when its starter dies, however it dies.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

SUPERUSER = "keygw"
PORT = 5432
"""Only part of the socket's name: every server has a directory of its own."""

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "log_min_messages": "warning",
}
# The machine is not going to lose power in a test; what a killed server forgets, it forgets without this too.
_QUICK = {"fsync": "off", "full_page_writes": "off"}


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; Debian keeps it off the path. ``None``: not installed."""
    found = shutil.which("postgres")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name), reverse=True)
    candidates = [*([Path(found).resolve().parent] if found else []), *folders]
    return next((each for each in candidates if (each / "initdb").exists() and (each / "psql").exists()), None)


class PostgresServer:
    """``start`` it, ``stop`` it, and again. ``url(name)``: where its databases are."""

    def __init__(self, folder: Path, *, safe: bool = False) -> None:
        """``safe``: flush to the disk as in real life, which costs time."""
        self._folder = folder
        self._settings = _SETTINGS if safe else _SETTINGS | _QUICK
        self.home = Path(tempfile.mkdtemp(prefix="keygw-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _somebody() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.home, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", str(self.home / "data"), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C",
                  "--no-sync", "--no-instructions")  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the running server, whose children serve the connections. ``RuntimeError`` if none runs."""
        if self._process is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._process.pid

    def url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.home), safe='')}&port={PORT}"

    def start(self) -> None:
        """Return once it answers. Call it in the main thread: the server ends with the thread that started it."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [str(self._folder / "postgres"), "-D", str(self.home / "data"), f"-k{self.home}", f"-p{PORT}"]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(die_with_us=True), *command, *settings], stdout=log, stderr=log, cwd=self.home
            )
        for _ in range(400):
            ready = [str(self._folder / "pg_isready"), "-q", "-h", str(self.home), "-p", str(PORT), "-t", "1"]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise RuntimeError(f"PostgreSQL does not start: {(self.home / 'log').read_text()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends every connection and stops in good order; SIGQUIT is a crash. Killing leaves shared memory."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.home)

    def create(self, database: str, template: str = "template0") -> str:
        """A new database, a copy of another that nobody is connected to; answers its URL."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Whoever is connected to it is thrown out."""
        self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What ``psql`` answers, one row a line, values separated by ``|``."""
        command = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.home), "-p", str(PORT)]
        done = subprocess.run(
            [str(self._folder / "psql"), *command, "-U", SUPERUSER, "-d", database, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user(), str(self._folder / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.home)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")

    def _as_user(self, *, die_with_us: bool = False) -> Sequence[str]:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            if self._user is not None:
                raise RuntimeError("PostgreSQL does not run as root, and there is no setpriv to start it as another")
            return []
        who = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"] if self._user else []
        end = ["--pdeathsig", "QUIT"] if die_with_us else []
        return [setpriv, *who, *end]


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
