"""``python -m keygw``: the same as the ``keygw`` command."""

from __future__ import annotations

import sys

from keygw.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
