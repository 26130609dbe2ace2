"""What a target is, and the one invariant that all of them are held to.

A parser of untrusted bytes gives a value, or raises the one error that it documents; never anything else. Where there
is an encoder, what was taken is what would have been written: ``take(data) == v`` implies ``write(v) == data``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from keygw.crypto.errors import CryptoError
from keygw.model.errors import ProtocolError, TokenError

Refusal = tuple[type[Exception], ...]
PROTOCOL: Refusal = (ProtocolError,)
TOKEN: Refusal = (TokenError,)
CRYPTO: Refusal = (CryptoError,)
VALUE: Refusal = (ValueError,)


class Broken(AssertionError):
    """A parser has broken its promise. The text says which, and with what bytes."""


@dataclass(frozen=True)
class Target:
    """One parser, or one whole session.

    ``take``: bytes to a value. ``refusal``: the one error it may raise instead (a tuple for what is documented as two).
    ``write``: the value back to bytes, where there is one encoding. ``seeds``: good inputs, from vectors and encoders.
    ``covers``: dotted names below ``keygw`` of the parsers that it exercises; ``test_fuzz_registry`` holds them against
    the source. ``longest``: bytes that fuzzers try. ``steps``: calls that one input may cost at most, beside 60 a byte.
    ``unpacks``: bytes that an input may hold beside, because it is compressed.
    ``slow``: an input costs milliseconds (a handshake), so that the suite tries fewer of them.
    """

    name: str
    take: Callable[[bytes], Any]
    refusal: Refusal
    seeds: Callable[[], Iterable[bytes]]
    write: Callable[[Any], bytes] | None = None
    covers: tuple[str, ...] = ()
    longest: int = 512
    steps: int = 4000
    slow: bool = False
    unpacks: int = 0


def check(target: Target, data: bytes) -> bool:
    """Hold the target to the invariant with these bytes. Whether they were taken; ``Broken`` if it does not hold."""
    try:
        value = target.take(data)
    except target.refusal:
        return False
    except Broken as error:
        raise Broken(f"{target.name}: {error}; with {data.hex()}") from error
    except Exception as error:
        raise Broken(
            f"{target.name}: {type(error).__name__} is not its refusal ({error}); with {data.hex()}"
        ) from error
    if target.write is not None:
        again = target.write(value)
        if again != data:
            raise Broken(f"{target.name}: taken, yet it would have been written as {again.hex()}; with {data.hex()}")
    return True
