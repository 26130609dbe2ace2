"""Exit codes: stable, documented in ``docs/reference/cli.md``, the same for every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    NOT_DONE = 1
    USAGE = 2
    ENVIRONMENT = 3
    NO_GATEWAY = 4
    NOT_AUTHORISED = 5
    NOT_FOUND = 6
    CONFLICT = 7
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.NOT_DONE: "what was asked for did not succeed (the vehicle refused, a demo step failed, time ran out)",
    Exit.USAGE: "the command line is wrong, or names more than one thing",
    Exit.ENVIRONMENT: "this machine is in the way (port taken, data directory unwritable, database locked, no radio)",
    Exit.NO_GATEWAY: "the gateway cannot be reached",
    Exit.NOT_AUTHORISED: "not authorised (no token, an unknown one, or one without the scope or the right)",
    Exit.NOT_FOUND: "there is no such thing",
    Exit.CONFLICT: "the present state does not allow it",
    Exit.INTERRUPTED: "stopped with Ctrl-C",
}


def epilogue() -> str:
    """The table for the end of ``--help``; the escape keeps its lines apart."""
    lines = [f"  {code.value:<4}{meaning}" for code, meaning in MEANINGS.items()]
    return "\n".join(["\b", "Exit codes:", *lines])
