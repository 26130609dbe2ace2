"""BlueZ in a virtual machine: ``make test-bluez``.

bleak, D-Bus, bluetoothd and the Linux kernel's Bluetooth are the real ones, on a controller of the virtual radio that
stands behind ``hci_vhci``. In the machine run the tests that the private ``org.bluez`` passes in every run of the suite
(``TESTS``). It needs no adapter, no root and no kernel module here: qemu emulates a whole PC, in software.

The image (Debian's kernel, bluez, dbus, python3, and the packages of requirements-dev.lock) is made once and kept under
``$XDG_CACHE_HOME/keygw``, in a folder named by what went into it. The sources travel over a 9p share.

Exit code: that of the tests; 3 where a tool is missing, or the machine did not come up or did not end in time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
EXIT_ENVIRONMENT = 3
SUITE = "bookworm"
PYTHON = "3.11"
"""Of the suite: wheels are fetched for it, whatever runs this."""
PACKAGES = ("bluez", "dbus", "kmod", "python3")
KERNEL = "linux-image-amd64"
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "zstd": "zstd",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
"""Program -> Debian package."""
SOURCES = ("src", "simulators", "tests", "pyproject.toml")
TESTS = (
    "tests/contracts/test_bluez_contract.py",
    "tests/contracts/test_link_contract.py",
    "tests/scenarios/test_bluez_story.py",
    "tests/scenarios/test_conformance_bluez.py",
)
LIMIT_S = 1800
MEMORY_MB = 3072
MODULES = (
    "arch/x86/crypto", "crypto", "drivers/block", "drivers/bluetooth", "drivers/virtio", "fs/9p", "fs/fscache",
    "fs/netfs", "lib", "net/9p", "net/bluetooth", "net/rfkill",
)  # fmt: skip
"""Folders of the kernel's modules that go along; the whole is ten times as much."""
LEFT_OUT = ("usr/share/doc/", "usr/share/locale/", "usr/share/man/", "usr/share/info/", "var/cache/", "var/lib/apt/")

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /run/dbus /share /dev/shm; mount -t tmpfs tmp /tmp; mount -t tmpfs shm /dev/shm
depmod -a
modprobe virtio_pci; modprobe 9pnet_virtio; modprobe 9p
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share
ip link set lo up 2>/dev/null || python3 /share/loopback.py
sh /share/run.sh > /share/out/log 2>&1
sync; echo o > /proc/sysrq-trigger; sleep 60
"""
LOOPBACK = """import fcntl, socket, struct
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x49))  # SIOCSIFFLAGS: up, loopback, running
"""
RUN = """set -x
for module in hci_vhci algif_hash algif_skcipher cmac ecdh_generic; do modprobe $module; done
dbus-uuidgen --ensure
dbus-daemon --system --fork
/usr/libexec/bluetooth/bluetoothd -n > /share/out/bluetoothd.log 2>&1 &
cp -r /share/source /source; cd /source
export PYTHONPATH=/opt/site:src:simulators KEYGW_BLUEZ=vhci KEYGW_REQUIRE=dbus PYTHONDONTWRITEBYTECODE=1
{ bluetoothctl --version; uname -r; python3 --version; } > /share/out/versions
for second in 1 2 3 4 5 6 7 8 9 10; do
  dbus-send --system --print-reply --dest=org.bluez / org.freedesktop.DBus.Peer.Ping && break; sleep 1
done
cut -d' ' -f1 /proc/uptime > /share/out/up
python3 -m pytest -p no:cacheprovider -p no:xdist --junitxml=/share/out/junit.xml --durations=10 @ARGS@
echo $? > /share/out/code
"""


class VmError(Exception):
    """The machine cannot be made, or did not run. The text says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make test-bluez", description="The BlueZ tests, on BlueZ in a VM.")
    parser.add_argument("--image", action="store_true", help="only make the image")
    parser.add_argument("--accel", default="tcg", choices=["tcg", "kvm"], help="kvm is quicker where it works")
    parser.add_argument("--out", type=Path, help="keep what the machine wrote in this folder")
    parser.add_argument("tests", nargs="*", default=list(TESTS), help="other tests, and options of pytest")
    args = parser.parse_args(argv)
    try:
        check_tools()
        image = made_image(cache())
        return 0 if args.image else run(image, args.tests, args.accel, args.out)
    except VmError as error:
        print(f"test-bluez: {error}", file=sys.stderr)
        return EXIT_ENVIRONMENT


def check_tools() -> None:
    """``VmError`` naming every tool that is missing, and the packages that bring them."""
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        raise VmError("this takes Linux on x86_64; the other radios are in docs/reference/radios.md")
    missing = {tool: package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if missing:
        fix = "on Debian or Ubuntu: apt-get install " + " ".join(sorted(set(missing.values())))
        raise VmError(f"missing here: {', '.join(missing)}. {fix}")


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "keygw"


def made_image(folder: Path) -> Path:
    """The folder with ``kernel`` and ``initrd``, made now if it is not there."""
    recipe = [Path(__file__).read_bytes(), (ROOT / "requirements-dev.lock").read_bytes()]
    image = folder / f"bluez-vm-{hashlib.sha256(b''.join(recipe)).hexdigest()[:16]}"
    if (image / "initrd").exists():
        return image
    began = time.monotonic()
    say(f"making the image in {image}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as scratch:
        work = Path(scratch)
        debian = make_debian(work)
        packages = fetch_packages(work)
        kernel, version = take_kernel(debian, work)
        (work / "image").mkdir()
        shutil.copy2(kernel, work / "image" / "kernel")
        write_initrd(work / "image" / "initrd", debian, work / "kernel" / "lib" / "modules" / version, packages)
        for old in folder.glob("bluez-vm-*"):
            shutil.rmtree(old)
        (work / "image").rename(image)
    say(f"made in {time.monotonic() - began:.0f} s, {(image / 'initrd').stat().st_size >> 20} MB")
    return image


def make_debian(work: Path) -> Path:
    """Debian's smallest, with what the tests need, as a tar; the kernel's package lies in it as ``kernel.deb``."""
    tar = work / "debian.tar"
    fetch = (
        'kernel=$(APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache depends --important '
        f"{KERNEL} | sed -n 's/.*Depends: //p' | head -n 1) && "
        'cd "$1" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get download "$kernel" && mv "$kernel"_*.deb kernel.deb'
    )
    command(
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--customize-hook={fetch}",
        "--aptopt=APT::Sandbox::User root", SUITE, str(tar),
    )  # fmt: skip
    return tar


def fetch_packages(work: Path) -> Path:
    """requirements-dev.lock for the machine's Python, as a folder."""
    site = work / "site"
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 24, 26, 27, 28, 31, 34, 35, 36)]
    command(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--require-hashes", "--no-deps",
        f"--target={site}", "--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp",
        f"--abi=cp{PYTHON.replace('.', '')}", "--abi=abi3", "--abi=none", "--platform=manylinux2014_x86_64", *platforms,
        "-r", str(ROOT / "requirements-dev.lock"),
    )  # fmt: skip
    for cached in site.rglob("__pycache__"):
        shutil.rmtree(cached)
    return site


def take_kernel(debian: Path, work: Path) -> tuple[Path, str]:
    """Unpack the kernel's package: its image and its version."""
    with tarfile.open(debian) as tar:
        package = tar.extractfile("./kernel.deb")
        if package is None:
            raise VmError("the kernel's package is not in the image")
        (work / "kernel.deb").write_bytes(package.read())
    command("dpkg-deb", "-x", str(work / "kernel.deb"), str(work / "kernel"))
    kernel = next((work / "kernel" / "boot").glob("vmlinuz-*"))
    return kernel, kernel.name.removeprefix("vmlinuz-")


def write_initrd(path: Path, debian: Path, modules: Path, site: Path) -> None:
    """The whole system as an initramfs: a cpio archive, compressed."""
    with path.with_suffix(".part").open("wb") as out:
        packer = subprocess.Popen(["zstd", "-q", "-6", "-T0", "-c"], stdin=subprocess.PIPE, stdout=out)
        assert packer.stdin is not None  # noqa: S101 - we asked for a pipe
        archive = Cpio(packer.stdin)
        with tarfile.open(debian) as tar:
            archive.add_tar(tar)
        version = modules.name
        chosen = [modules / "kernel" / each for each in MODULES]
        archive.add_tree(f"usr/lib/modules/{version}", modules, [*chosen, *modules.glob("modules.*")])
        archive.add_tree("opt/site", site, [site])
        archive.add("init", 0o100755, INIT.encode())
        archive.end()
        packer.stdin.close()
        if packer.wait() != 0:
            raise VmError("zstd failed; is the disk full?")
    path.with_suffix(".part").rename(path)


class Cpio:
    """Writes a ``newc`` archive, the form of an initramfs (the kernel's Documentation/driver-api/early-userspace)."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._inode = 0
        self._folders: set[str] = set()

    def add(self, name: str, mode: int, data: bytes = b"", *, major: int = 0, minor: int = 0) -> None:
        """``mode`` with the kind of file; a link's target is its data."""
        self._inode += 1
        raw = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(raw), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._out.write(header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4))

    def folder(self, name: str) -> None:
        """It and those above it, once."""
        if name and name not in self._folders:
            self.folder(name.rpartition("/")[0])
            self._folders.add(name)
            self.add(name, 0o040755)

    def add_tar(self, tar: tarfile.TarFile) -> None:
        """Names as they are; hard links as files of their own."""
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            if name in {"", ".", "kernel.deb"} or name.startswith(LEFT_OUT):
                continue
            if member.isdir():
                self._folders.add(name)
                self.add(name, 0o040000 | member.mode)
            elif member.issym():
                self.add(name, 0o120777, member.linkname.encode())
            elif member.isfile() or member.islnk():
                source = tar.extractfile(member)
                self.add(name, 0o100000 | member.mode, b"" if source is None else source.read())

    def add_tree(self, name: str, root: Path, chosen: list[Path]) -> None:
        for top in chosen:
            for path in _files(top):
                at = f"{name}/{path.relative_to(root)}"
                self.folder(at.rpartition("/")[0])
                if path.is_symlink():
                    self.add(at, 0o120777, os.readlink(path).encode())  # noqa: PTH115 - as it is, not resolved
                else:
                    self.add(at, 0o100644, path.read_bytes())

    def end(self) -> None:
        self.add("TRAILER!!!", 0)


def _files(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
    else:
        yield from (each for each in sorted(top.rglob("*")) if each.is_symlink() or each.is_file())


def run(image: Path, tests: list[str], accel: str, keep: Path | None) -> int:
    """Boot, test, and tell; the exit code of the tests."""
    with tempfile.TemporaryDirectory(prefix="keygw-bluez-vm-") as scratch:
        share = Path(scratch)
        out = share / "out"
        out.mkdir()
        for each in SOURCES:
            source = ROOT / each
            if source.is_dir():
                shutil.copytree(source, share / "source" / each, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, share / "source" / each)
        (share / "run.sh").write_text(RUN.replace("@ARGS@", " ".join(map(_quoted, tests))))
        (share / "loopback.py").write_text(LOOPBACK)
        began = time.monotonic()
        say(f"booting ({accel}); minutes under software emulation")
        try:
            boot(image, share, accel)
        finally:
            if keep is not None:
                shutil.copytree(out, keep, dirs_exist_ok=True)
        return report(out, time.monotonic() - began)


def boot(image: Path, share: Path, accel: str) -> None:
    line = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi" if accel == "tcg" else "kvm", "-cpu", "max", "-smp", "2",
        "-m", str(MEMORY_MB), "-kernel", str(image / "kernel"), "-initrd", str(image / "initrd"),
        "-append", "console=ttyS0 quiet nokaslr mitigations=off panic=-1 rdinit=/init",
        "-nographic", "-no-reboot", "-nic", "none",
        "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
    ]  # fmt: skip
    console = share / "out" / "console"
    with console.open("wb") as said:
        try:
            subprocess.run(line, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise VmError(f"the machine did not end within {LIMIT_S} s; {_tail(console)}") from error


def report(out: Path, seconds: float) -> int:
    """Print what the tests said, and one JSON line about the machine."""
    code = out / "code"
    if not code.exists():
        log = out / "log"
        raise VmError(f"the tests did not end; {_tail(log if log.exists() else out / 'console')}")
    print((out / "log").read_text(errors="replace").rpartition("+ echo")[0].rpartition("-m pytest")[2])
    bluez, kernel, python = (out / "versions").read_text().split("\n")[:3]
    said: dict[str, Any] = {
        "bluez": bluez, "kernel": kernel, "python": python, "booted_s": float((out / "up").read_text()),
        "total_s": round(seconds), "exit": int(code.read_text()),
    }  # fmt: skip
    print(json.dumps(said))
    return int(said["exit"])


def command(*words: str) -> None:
    """``VmError`` with its last words if it fails."""
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise VmError(f"{words[0]} failed: {' / '.join(ran.stderr.strip().splitlines()[-3:])}")


def say(text: str) -> None:
    print(f"test-bluez: {text}", file=sys.stderr, flush=True)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return "its last words: " + " / ".join(lines[-5:])


if __name__ == "__main__":
    sys.exit(main())
