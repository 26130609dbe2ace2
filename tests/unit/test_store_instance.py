"""One gateway for one data directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keygw.model.errors import StoreError
from keygw.store.instance import InstanceLock

HOLD = """
import sys
from pathlib import Path
from keygw.store.instance import InstanceLock
with InstanceLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_gateway_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with InstanceLock(tmp_path):
        with pytest.raises(StoreError) as caught:
            InstanceLock(tmp_path).__enter__()
        assert caught.value.code == "store_in_use"
    with InstanceLock(tmp_path):
        pass


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError):
            InstanceLock(tmp_path).__enter__()
        holder.kill()
        holder.wait()
    with InstanceLock(tmp_path):
        pass


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        InstanceLock(tmp_path / "file").__enter__()
    assert caught.value.code == "store_unavailable"
