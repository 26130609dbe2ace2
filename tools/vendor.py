"""Checks that the vendored web files are exactly those of the named releases: ``python tools/vendor.py --check``.

To take a newer release: ``npm pack NAME@VERSION``, put its files in place, then ``python tools/vendor.py --write``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parent.parent / "src/keygw/web/vendor"
MANIFEST = VENDOR / "vendor.json"
NEEDED = ("name", "version", "source", "licence", "integrity", "folder", "files")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def faults(packages: list[dict[str, Any]]) -> list[str]:
    """What does not fit: missing, changed and unlisted files, incomplete entries."""
    found: list[str] = []
    listed = {MANIFEST}
    for package in packages:
        found += [f"{package.get('name')}: no {name}" for name in NEEDED if not package.get(name)]
        if "LICENSE" not in package["files"]:
            found.append(f"{package['name']}: its licence is not beside it")
        for name, expected in package["files"].items():
            path = VENDOR / package["folder"] / name
            listed.add(path)
            if not path.is_file():
                found.append(f"{path.name}: missing")
            elif digest(path) != expected:
                found.append(f"{path.name}: not the file of {package['name']} {package['version']}")
    unlisted = {path for path in VENDOR.rglob("*") if path.is_file()} - listed
    return found + [f"{path.relative_to(VENDOR)}: listed nowhere" for path in sorted(unlisted)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--check", action="store_true", help="compare the files with the manifest")
    group.add_argument("--write", action="store_true", help="write the hashes of the files into the manifest")
    wanted = parser.parse_args()
    packages: list[dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))
    if wanted.write:
        for package in packages:
            folder = VENDOR / package["folder"]
            package["files"] = {path.name: digest(path) for path in sorted(folder.iterdir())}
        MANIFEST.write_text(json.dumps(packages, indent=2) + "\n", "utf-8")
    found = faults(packages)
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or f"{len(packages)} vendored package(s) as listed\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
