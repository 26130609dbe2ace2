"""Enums that survive codes they do not know: a newer peer must not crash an older one."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Self


class OpenEnum(IntEnum):
    """An IntEnum whose unknown values become pseudo-members named ``UNKNOWN_<n>``.

    ``MyEnum(200)`` never raises; ``is_known`` tells whether this release has a name for it.
    """

    __hash__ = int.__hash__  # equal to its integer, so it hashes like it; Enum's own hashes the name, in Python

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        return not self._name_.startswith("UNKNOWN_")

    @property
    def label(self) -> str:
        """The field's word for it, as it appears in JSON: ``key_revoked``."""
        return self._name_.lower()

    @classmethod
    def from_label(cls, label: str) -> Self:
        """The member whose ``label`` this is; ``ValueError`` for any other text."""
        for member in cls:
            if member.label == label:
                return member
        raise ValueError(f"{label!r} is not one of {', '.join(m.label for m in cls)}")
