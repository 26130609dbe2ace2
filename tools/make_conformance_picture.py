"""Take the picture of a conformance report for the docs: ``python tools/make_conformance_picture.py [FILE]``.

Needs Chromium (``apt-get install chromium``). The run is that of a simulated vehicle with one planted defect, on links
in memory, so that a failure is to be seen as well.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from keygw_sim.conformance import kit
from keygw_sim.conformance.mutants.vehicle_rules import VEHICLES
from keygw_sim.conformance.reports.page import html
from keygw_sim.conformance.targets import memory_stand

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "conformance-report.png"
DEFECT, SHOWN = "a_number_serves_any_action", ["KS-40", "KS-41", "KT-2", "OP-11"]
WIDTH, HEIGHT = 880, 760


def main() -> int:
    """Exit 1 without Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.stderr.write("no Chromium here: apt-get install chromium\n")
        return 1
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with VEHICLES[DEFECT].planted(), tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(kit.run(memory_stand(), "a vehicle with a defect", SHOWN))
        page = Path(folder) / "report.html"
        page.write_text(html(report), encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        line = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run([*line, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True, timeout=120)
    return 0


if __name__ == "__main__":
    sys.exit(main())
