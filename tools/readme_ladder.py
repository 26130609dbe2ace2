"""Run the demo and put its real output into README.md, between the ladder marks: ``python tools/readme_ladder.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- ladder: written by tools/readme_ladder.py -->\n", "<!-- ladder ends -->"


def main() -> int:
    """Exit with the demo's code if it fails; README.md then stays as it is."""
    ran = subprocess.run([sys.executable, "-m", "keygw", "demo"], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.stderr.write(ran.stdout + ran.stderr)
        return ran.returncode
    text = README.read_text()
    head, rest = text.split(START)
    _, tail = rest.split(END)
    ladder = ran.stdout.strip("\n")  # its first line begins with a space
    README.write_text(f"{head}{START}```text\n{ladder}\n```\n{END}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
