"""No signed object passes for another: every pair of purposes there is, found by itself when one is added."""

from __future__ import annotations

import itertools

import pytest

from keygw.model.errors import TokenError
from keygw.token import envelope
from keygw.token.envelope import Purpose
from keygw_fuzz.registry import TARGETS
from keygw_fuzz.target import check

PURPOSES = [thing for thing in vars(envelope).values() if isinstance(thing, Purpose)]
OBJECTS = [name.removesuffix(".envelope") for name in TARGETS if name.endswith(".envelope")]
PAIRS = [*itertools.permutations(OBJECTS, 2)]


def purpose_of(name: str) -> Purpose:
    found = getattr(TARGETS[f"{name}.envelope"].take, "__self__", None)
    assert isinstance(found, Purpose)
    return found


def test_every_purpose_has_a_target() -> None:
    assert len(PURPOSES) >= 5
    assert {purpose_of(name).typ for name in OBJECTS} == {purpose.typ for purpose in PURPOSES}


def test_no_typ_is_used_twice() -> None:
    assert len({purpose.typ for purpose in PURPOSES}) == len(PURPOSES)


@pytest.mark.parametrize(("reader", "kind"), PAIRS)
def test_no_object_is_read_as_another(reader: str, kind: str) -> None:
    for seed in TARGETS[kind].seeds():
        assert check(TARGETS[kind], seed)
        with pytest.raises(TokenError) as refusal:
            TARGETS[reader].take(seed)
        assert refusal.value.code == "wrong_type"


@pytest.mark.parametrize(("reader", "kind"), PAIRS)
def test_the_content_of_one_is_refused_under_the_typ_and_signature_of_another(reader: str, kind: str) -> None:
    """The harder forger: the right key signed it, under the right typ, and meant something else."""
    for seed in TARGETS[f"{kind}.payload"].seeds():
        assert check(TARGETS[f"{kind}.payload"], seed)
        assert not check(TARGETS[f"{reader}.payload"], seed)
