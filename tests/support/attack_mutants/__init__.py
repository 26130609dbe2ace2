"""The rules that stand between an attack and its success, each taken away by itself: one chapter a file."""

from attack_mutants import (
    answers_receipts,
    issuer_keys,
    keys,
    keys_removed_in_the_car,
    lists,
    pairing,
    ranging,
    session,
    the_fast_path,
    tracking_the_air,
)
from attack_mutants.register import MUTANTS, Mutant

__all__ = [
    "MUTANTS",
    "Mutant",
    "answers_receipts",
    "issuer_keys",
    "keys",
    "keys_removed_in_the_car",
    "lists",
    "pairing",
    "ranging",
    "session",
    "the_fast_path",
    "tracking_the_air",
]
