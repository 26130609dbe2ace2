"""How a command fails: an exit code, a stable word, a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keygw.cli.exits import Exit


class Failure(Exception):
    """``code``: stable snake_case. ``next_step``: one line that helps. ``problem``: the gateway's RFC 9457 document."""

    def __init__(
        self,
        exit_code: Exit,
        code: str,
        detail: str,
        next_step: str,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.exit_code = exit_code
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.problem = problem

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": False,
            "code": self.code,
            "detail": self.detail,
            "next": self.next_step,
            "exit_code": int(self.exit_code),
            "problem": None if self.problem is None else dict(self.problem),
        }


def usage(code: str, detail: str, next_step: str) -> Failure:
    """The command line is wrong."""
    return Failure(Exit.USAGE, code, detail, next_step)
