"""``keygw keys give-back, overdue, renew``, ``keygw vehicles end-epoch, transfer``, ``keygw devices lost, found``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.cli import spans
from keygw.cli.exits import Exit

if TYPE_CHECKING:
    from tests.unit.conftest import Run


def test_a_vehicle_is_offered_taken_over_and_ended(run: Run, owner: str, car: dict[str, str], tmp_path: Path) -> None:
    first = run("vehicles", "transfer", car["id"], "--open-for", "1h", "--json").json
    twice = run("vehicles", "transfer", car["id"], "--json")
    assert (twice.code, twice.error["code"]) == (Exit.CONFLICT, "transfer_offered")
    assert "cancel-transfer" in twice.error["next"]
    cancelled = run("vehicles", "cancel-transfer", first["id"])
    assert "cancelled" in cancelled.out
    said = run("vehicles", "transfer", car["id"])
    assert (said.code, "secret" in said.out, "cancel-transfer trf_" in said.err) == (0, True, True)
    offer = said.out.split()
    path = tmp_path / "offer.json"
    path.write_text(json.dumps({"id": next(word for word in offer if word.startswith("trf_")), "secret": offer[-1]}))
    taken = run("vehicles", "take-over", str(path))
    assert (taken.code, "accepted" in taken.out) == (0, True), taken.err
    assert run("keys", "show", owner, "--json").json["state"] == "revoking"
    path.write_text("{}")
    assert run("vehicles", "take-over", str(path), "--json").error["code"] == "bad_offer"

    again = run("keys", "issue", car["id"], "--json").json["id"]
    ended = run("vehicles", "end-epoch", car["id"])
    assert (ended.code, "keys ended\t1" in ended.out) == (0, True), ended.err
    overdue = run("keys", "overdue", "--older-than", "1s")
    assert overdue.code == 0
    assert run("keys", "overdue").err.startswith("No vehicle owes"), "not for a day yet"
    assert run("keys", "show", again, "--json").json["stage"] == "revoking"


def test_a_device_is_lost_and_found(run: Run, owner: str) -> None:
    device = run("keys", "show", owner, "--json").json["device_id"]
    lost = run("devices", "lost", device)
    assert (lost.code, "lost\tyes" in lost.out) == (0, True), lost.err
    assert "suspended for\tlost" in run("keys", "show", owner).out
    refused = run("keys", "resume", owner, "--json")
    assert (refused.code, refused.error["code"]) == (Exit.CONFLICT, "device_lost")
    assert "devices found" in refused.error["next"]
    found = run("devices", "found", device, "--json").json
    assert (found["lost"], found["loss"], found["key_ids"]) == (False, 1, [owner])
    unknown = run("devices", "lost", "dev_aaaaaaaaaaaaaaaa", "--json")
    assert (unknown.code, unknown.error["code"]) == (Exit.NOT_FOUND, "unknown_device")


def test_a_key_is_renewed_and_given_back(run: Run, owner: str, friend: str) -> None:
    renewed = run("keys", "renew", owner)
    assert (renewed.code, "valid until" in renewed.out) == (0, True), renewed.err
    other = run("keys", "give-back", friend, "--json")
    assert (other.code, other.error["code"]) == (Exit.NOT_AUTHORISED, "not_key_holder")
    given = run("keys", "give-back", owner)
    assert "revoking" in given.out
    assert "told on its next contact" in given.err
    assert run("keys", "renew", owner, "--json").error["code"] == "key_revoked"


@pytest.mark.parametrize(("total", "text"), [(30 * 86400, "30d"), (5400, "1h30m"), (61, "1m1s"), (0, "0s")])
def test_a_span_is_said_as_it_is_typed(total: int, text: str) -> None:
    assert spans.said(total) == text
    if total:
        assert spans.seconds(text) == total
