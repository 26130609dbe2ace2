"""The tests here hold the scripts in ``tools`` to the frozen files; those import one another as scripts do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tools"))
