"""A short turn of ``make chaos``, and what a system-call trace says of the order of disk and answer."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw_chaos.gateway import GatewayProcess
from keygw_chaos.ledger import Asked, KnownKey, Ledger
from keygw_chaos.load import SCOPES
from postgres_server import programs

if TYPE_CHECKING:
    from tests.conftest import Require

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "story",
    ["kill-sqlite", "disk-full", "locked", "clock-jumps", "kill-postgres", "crash-postgres", "clock-jumps-postgres"],
)
def test_nothing_that_was_acknowledged_is_lost(story: str, seed: int, require: Require) -> None:
    if "postgres" in story:
        require("postgres", programs() is not None, "no initdb and postgres here: apt-get install postgresql")
    counts = ["--kills", "3", "--postgres-kills", "2", "--rounds", "1", "--jumps", "6"]
    command = [sys.executable, "tests/chaos/chaos.py", "--only", story, *counts, "--json"]
    ran = subprocess.run(
        [*command, "--seed", str(seed)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = json.loads(ran.stdout)
    [report] = told["stories"]
    if report["skipped"]:
        pytest.skip(report["skipped"])
    assert told["lost"] == 0
    assert report["faults"] >= 1
    assert report["acknowledged"] > 0


async def test_the_answer_leaves_after_the_disk_has_it(tmp_path: Path, require: Require) -> None:
    """Seen from outside: between the last write to the log and the first byte of the 201 there is a flush."""
    strace = shutil.which("strace") or ""
    require("strace", bool(strace), "apt-get install strace")
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,pwrite64,sendto,sendmsg,write,writev"
    gateway = GatewayProcess(tmp_path / "data")
    await gateway.start()
    token = await gateway.new_app(*SCOPES)
    async with gateway.client(token) as http:
        body = {
            "id": "veh_mfrggzdfmztwq2lk",
            "name": "Car",
            "public_key": encode_base64url(LocalSigner.generate().public_key),
            "advertising_key": encode_base64url(bytes(16)),
        }
        assert (await http.post("/v1/vehicles", json=body)).status_code == 201
        options = ("-f", "-y", "-s", "40", "-e", calls, "-o", str(trace), "-p", str(gateway.pid))
        tracer = await asyncio.create_subprocess_exec(strace, *options, stderr=asyncio.subprocess.PIPE)
        assert tracer.stderr is not None
        told = await tracer.stderr.readline()
        if b"attached" not in told:
            await gateway.stop()
            require("ptrace", False, told.decode())
        assert (await http.post("/v1/keys", json={"vehicle_id": body["id"], "role": "owner"})).status_code == 201
        tracer.send_signal(signal.SIGINT)
        await tracer.wait()
    await gateway.stop()
    lines = (await asyncio.to_thread(trace.read_text)).splitlines()
    kinds = [kind for line in lines if (kind := _kind(line))]
    answer = kinds.index("answer")
    assert "write" in kinds[:answer], lines
    last_write = answer - 1 - kinds[:answer][::-1].index("write")
    assert "flush" in kinds[last_write:answer], lines


def _kind(line: str) -> str:
    """``write`` to the database's log, ``flush`` of it that has ended, ``answer``: the 201 on its way."""
    if re.search(r"pwrite64\(\d+<[^>]*keygw\.db-wal>", line):
        return "write"
    if re.search(r"(fdatasync|fsync)\(\d+<[^>]*keygw\.db-wal>\) += 0", line) or re.search(
        r"<\.\.\. f(data)?sync resumed>\) += 0", line
    ):
        return "flush"
    return "answer" if "HTTP/1.1 201" in line else ""


def test_the_ledger_tells_a_loss() -> None:
    """The judge itself: a promise that is not kept has a name."""
    ledger = Ledger("veh_a", {"key_a": KnownKey(), "key_b": KnownKey(parent="key_a")})
    good = {"key_a": ("active", None), "key_b": ("active", "key_a")}
    assert ledger.settle(good) == []
    assert ledger.settle({"key_a": ("active", None)}) == ["veh_a: key key_b is lost"]
    assert "never asked for" in ledger.settle({**good, "key_c": ("active", None)})[0]
    ledger.asked = Asked("suspend", "key_a")
    ledger.answered()
    assert "promised suspended" in ledger.settle(good)[0]
    assert ledger.settle({"key_a": ("suspended", None), "key_b": ("suspended", "key_a")}) == []


@pytest.mark.parametrize("happened", [False, True])
def test_what_was_on_its_way_may_have_happened_or_not(happened: bool) -> None:
    ledger = Ledger("veh_a", {"key_a": KnownKey()}, asked=Asked("revoke", "key_a"))
    state = "revoking" if happened else "active"
    assert ledger.settle({"key_a": (state, None)}) == []
    assert ledger.settle({"key_a": (state, None)}) == []
    assert ledger.settle({"key_a": ("active" if happened else "revoking", None)}) != []


def test_one_request_makes_one_key() -> None:
    ledger = Ledger("veh_a", {"key_a": KnownKey()}, asked=Asked("issue"))
    twins = dict.fromkeys(("key_a", "key_b", "key_c"), ("active", None))
    assert len(ledger.settle(twins)) == 2
