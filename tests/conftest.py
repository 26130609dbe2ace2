"""What every test may lean on: one seed, a strict way to skip, and the shared reference material.

KEYGW_SEED     repeats a run, and lets hypothesis look for new examples; without it every run is the same.
KEYGW_REQUIRE  comma-separated parts (``shared``, ``postgres``, ...) whose absence fails instead of skipping.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from postgres_server import PostgresServer, programs

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_SEED = 20260

_DATABASES = itertools.count()
Require = Callable[[str, bool, str], None]

settings.register_profile("keygw", deadline=None, derandomize="KEYGW_SEED" not in os.environ)
settings.load_profile("keygw")


def _seed() -> int:
    text = os.environ.get("KEYGW_SEED", str(DEFAULT_SEED))
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"KEYGW_SEED must be a whole number, not {text!r}") from None


def _required_parts() -> frozenset[str]:
    return frozenset(part.strip() for part in os.environ.get("KEYGW_REQUIRE", "").split(",") if part.strip())


def pytest_report_header() -> list[str]:
    required = ", ".join(sorted(_required_parts())) or "nothing beyond Python"
    return [f"keygw: seed {_seed()} (KEYGW_SEED repeats it); required: {required}"]


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run."""
    return _seed()


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Randomness of this test alone: the same whatever ran before, or on which worker."""
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture(scope="session")
def require() -> Require:
    """``require(part, present, hint)``: skip where ``present`` is false, or fail where CI promised the part."""

    def check(part: str, present: bool, hint: str) -> None:
        if present:
            return
        if part in _required_parts():
            pytest.fail(f"{part} is required here (KEYGW_REQUIRE) but missing: {hint}")
        pytest.skip(f"no {part}: {hint}")

    return check


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared(require: Require) -> Path:
    """The folder of reference vectors and design notes beside the clone; tests that need it skip where it is absent."""
    path = ROOT.parent / "shared"
    require("shared", path.is_dir(), "the folder ../shared is not beside this clone")
    return path


@pytest.fixture(scope="session")
def dbus(require: Require) -> None:
    """A D-Bus daemon that tests may start, on Linux."""
    present = sys.platform == "linux" and shutil.which("dbus-daemon") is not None
    require("dbus", present, "no dbus-daemon here: apt-get install dbus")


SOFTHSM_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so")


@dataclass(frozen=True)
class SoftHsm:
    """A software HSM with tokens of its own, in ``folder``. ``conf``: SOFTHSM2_CONF of this process."""

    module: Path
    folder: Path
    conf: Path
    pin: str = "48151623"
    tokens: tuple[str, ...] = ("keygw", "other")


@pytest.fixture(scope="session")
def softhsm(require: Require, tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """A real PKCS#11 module, SoftHSM2, with two fresh tokens. One for each test process: the module is loaded once."""
    module = next((Path(each) for each in SOFTHSM_MODULES if Path(each).is_file()), None)
    util = shutil.which("softhsm2-util")
    require("hsm", module is not None and util is not None, "SoftHSM2 is not installed (apt-get install softhsm2)")
    assert module is not None
    assert util is not None
    folder = tmp_path_factory.mktemp("softhsm")
    (tokens := folder / "tokens").mkdir()
    conf = folder / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(conf)  # read by the module when it is loaded, and by the processes we start
    found = SoftHsm(module, tokens, conf)
    for label in found.tokens:
        command = [util, "--init-token", "--free", "--label", label, "--pin", found.pin, "--so-pin", found.pin]
        subprocess.run(command, check=True, capture_output=True)
    return found


@pytest.fixture(scope="session")
def postgres(require: Require) -> Iterator[PostgresServer]:
    """A PostgreSQL that runs, one for each test process; tests that stop it start one of their own."""
    with running_postgres(require) as server:
        yield server


@pytest.fixture(scope="module")
def postgres_to_stop(require: Require) -> Iterator[PostgresServer]:
    """One that tests of this module may stop and start."""
    with running_postgres(require) as server:
        yield server


@contextmanager
def running_postgres(require: Require) -> Iterator[PostgresServer]:
    folder = programs()
    require("postgres", folder is not None, "no initdb and postgres here: apt-get install postgresql")
    assert folder is not None
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def new_database(postgres: PostgresServer) -> Iterator[Callable[[], str]]:
    """Each call makes an empty PostgreSQL database and answers its URL; they are gone after the test."""
    names: list[str] = []

    def create() -> str:
        names.append(f"test_{next(_DATABASES)}")
        return postgres.create(names[-1])

    yield create
    for name in names:
        postgres.drop(name)
