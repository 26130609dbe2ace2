"""FOR COMPARISON ONLY: error messages and what an initiator makes of them (RFC 9528 sections 5.2.2 and 6).

A session sends no EDHOC error: its ERROR message has one code for everything before authentication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keygw.model.errors import ProtocolError
from keygw.session.edhoc.suites import Suite, SuiteRefused, decode_suites, encode_suites
from keygw.wire import cbor

UNSPECIFIED = 1
WRONG_SUITE = 2


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """``code`` as received; ``suites``: SUITES_R where the code is 2; ``text``: the diagnostic where it is 1."""

    code: int
    suites: tuple[int, ...] = ()
    text: str = ""


def encode_error(error: ProtocolError) -> bytes:
    """The error message for a refusal: code 2 for ``SuiteRefused``, code 1 for everything else."""
    if isinstance(error, SuiteRefused):
        return cbor.integer(WRONG_SUITE) + encode_suites(error.suites)
    return cbor.integer(UNSPECIFIED) + cbor.encode("refused")


def decode_error(message: bytes) -> ErrorMessage:
    """``ProtocolError`` if it is none. Error messages are not authenticated: anybody may have sent it."""
    items = cbor.decode_sequence(message)
    if len(items) != 2 or not isinstance(items[0], int) or isinstance(items[0], bool):
        raise ProtocolError("not an EDHOC error message")
    code, info = items
    if code == 0 or (code == UNSPECIFIED and not isinstance(info, str)):
        raise ProtocolError("the EDHOC error message is malformed")
    if code == WRONG_SUITE:
        return ErrorMessage(code, suites=tuple(decode_suites(info)))
    return ErrorMessage(code, text=info if isinstance(info, str) else "")


def offer(preferred: Sequence[Suite], refused: ErrorMessage | None = None) -> tuple[Suite, tuple[int, ...]]:
    """The suite to select, and the ones before it in SUITES_I: ``preferred`` as far as the selected one.

    ``preferred`` never changes because of an error; ``ProtocolError`` if the responder has none of them.
    """
    for place, suite in enumerate(preferred):
        if refused is None or suite.number in refused.suites:
            return suite, tuple(s.number for s in preferred[:place])
    raise ProtocolError("no cipher suite in common")
