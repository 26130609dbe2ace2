"""``make test-bluez`` where it cannot run: a clear word and exit code 3. Where it can, running it is the test."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import bluez_vm
import pytest


def test_tools_that_are_missing(repository: Path, tmp_path: Path) -> None:
    line = [sys.executable, str(repository / "tools" / "bluez_vm.py"), "--image"]
    env = {**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    ran = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, "")
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        assert "missing here: qemu-system-x86_64, mmdebstrap, zstd" in ran.stderr
        assert "apt-get install" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(bluez_vm.VmError, match=r"sh failed: the disk is full"):
        bluez_vm.command("sh", "-c", "echo the disk is full >&2; exit 1")


def test_a_machine_that_ended_too_early(tmp_path: Path) -> None:
    (tmp_path / "console").write_text("one\nKernel panic - not syncing\n")
    with pytest.raises(bluez_vm.VmError, match="Kernel panic"):
        bluez_vm.report(tmp_path, 1.0)


def test_the_tests_it_runs_are_there(repository: Path) -> None:
    assert all((repository / each).exists() for each in (*bluez_vm.TESTS, *bluez_vm.SOURCES))


def entries(data: bytes) -> dict[str, tuple[int, bytes]]:
    """The files of a newc archive: name -> mode and data."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        at += (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
        found[name] = (mode, data[at : at + size])
        at += (size + 3) // 4 * 4


def test_a_tar_becomes_an_initramfs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "module.py").write_text("x = 1\n")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, kind, target in (("./usr", tarfile.DIRTYPE, ""), ("./lib", tarfile.SYMTYPE, "usr/lib")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o755
            tar.addfile(member)
        for name in ("./usr/hello", "./usr/share/doc/left-out", "./kernel.deb"):
            member = tarfile.TarInfo(name)
            member.size, member.mode = 5, 0o644
            tar.addfile(member, io.BytesIO(b"hello"))
    raw.seek(0)
    out = io.BytesIO()
    archive = bluez_vm.Cpio(out)
    with tarfile.open(fileobj=raw) as tar:
        archive.add_tar(tar)
    archive.add_tree("opt/site", tmp_path / "site", [tmp_path / "site"])
    archive.end()
    assert entries(out.getvalue()) == {
        "usr": (0o040755, b""),
        "lib": (0o120777, b"usr/lib"),
        "usr/hello": (0o100644, b"hello"),
        "opt": (0o040755, b""),
        "opt/site": (0o040755, b""),
        "opt/site/module.py": (0o100644, b"x = 1\n"),
    }
