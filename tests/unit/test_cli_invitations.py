"""``keygw invitations`` against a real gateway: from a link to a key, and what phones that hold keys sign."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import TYPE_CHECKING, cast

import pytest

from keygw.cli.exits import Exit
from keygw.crypto.signer import LocalSigner
from keygw.model.entitlement import Entitlement
from keygw.model.errors import KeygwError
from keygw_sim.phone.link import claim
from keygw_sim.phone.phone import Phone

if TYPE_CHECKING:
    from tests.unit.conftest import Run

    from keygw.vehicle.ports import Air


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def phone() -> Phone:
    """One that only answers links; it never meets a car here."""
    return Phone(cast("Air", None), LocalSigner.generate(), os.urandom)


def test_an_invitation_from_the_link_to_the_key(run: Run, owner: str, gateway: dict[str, str]) -> None:
    line = ["invitations", "create", owner, "--profile", "access", "--for", "30d", "--label", "Weekend guest", "--code"]
    said = run(*line, "--open-for", "2h", "--json")
    assert said.code == 0, said.err
    made = said.json
    assert made["link"].startswith(f"{gateway['url']}/i/{made['id']}#")
    assert len(made["activation_code"]) == 6
    secret = made["link"].partition("#")[2]
    shown = run("invitations", "show", "weekend GUEST")
    assert shown.code == 0
    assert "Nobody has claimed it yet" in shown.err
    friend = phone()
    claimed = asyncio.run(claim(friend, made["link"], made["activation_code"]))
    assert claimed["state"] == "accepted"
    with pytest.raises(KeygwError) as caught:
        asyncio.run(claim(phone(), made["link"], made["activation_code"]))
    assert caught.value.code == "invitation_taken"
    shown = run("invitations", "show", made["id"])
    assert claimed["key_id"] in shown.out
    assert f"keygw keys revoke {claimed['key_id']}" in shown.err
    assert "passed on" in shown.err
    listed = run("invitations", "list", "--json").json["invitations"]
    assert made["id"] in {each["id"] for each in listed}
    assert secret not in run("invitations", "list").out + shown.out
    refused = run("invitations", "cancel", made["id"], "--json")
    assert (refused.code, refused.error["code"]) == (Exit.CONFLICT, "invitation_accepted")
    assert "keys revoke" in refused.error["next"]


def test_an_invitation_is_taken_back(run: Run, owner: str) -> None:
    line = ["invitations", "create", owner, "--entitlement", "door.lock", "--until", "2027-01-01T00:00Z"]
    said = run(*line)
    assert said.code == 0, said.err
    facts = dict(row.split("\t") for row in said.out.splitlines())
    assert (facts["state"], facts["activation code"]) == ("open", "-")
    assert "cannot be shown again" in said.err
    cancelled = run("invitations", "cancel", facts["invitation"], "--json")
    assert cancelled.json["state"] == "cancelled"
    with pytest.raises(KeygwError) as caught:
        asyncio.run(claim(phone(), facts["link"]))
    assert caught.value.code == "invitation_cancelled"


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ((), "bad_rights", Exit.USAGE),
        (("--profile", "access"), "bad_end", Exit.USAGE),
        (("--profile", "access", "--for", "2h", "--open-for", "soon"), "bad_duration", Exit.USAGE),
        (("--profile", "access", "--for", "2h", "--open-for", "8d"), "validation", Exit.USAGE),
        (("--profile", "access", "--for", "366d"), "outlives_parent", Exit.NOT_AUTHORISED),
    ],
)
def test_an_invitation_that_cannot_be(
    run: Run, owner: str, arguments: tuple[str, ...], code: str, exit_code: Exit
) -> None:
    said = run("invitations", "create", owner, *arguments, "--json")
    assert (said.code, said.error["code"]) == (exit_code, code)


def test_an_invitation_that_is_not_there(run: Run) -> None:
    for verb in ("show", "cancel"):
        said = run("invitations", verb, "inv_aaaaaaaaaaaaaaaa", "--json")
        assert (said.code, said.error["code"]) == (Exit.NOT_FOUND, "unknown_invitation")
        assert "invitations list" in said.error["next"]


def test_a_friends_phone_shares_on_by_what_it_signs(run: Run, owner: str) -> None:
    rights = ["--entitlement", "door.lock,key.share"]
    made = run("invitations", "create", owner, *rights, "--for", "20d", "--json").json
    first, second, third = phone(), phone(), phone()
    parent = asyncio.run(claim(first, made["link"]))["key_id"]
    made = run("invitations", "create", parent, "--entitlement", "door.lock", "--for", "2d", "--json").json
    assert asyncio.run(claim(second, made["link"]))["state"] == "claimed"
    waiting = run("invitations", "show", made["id"], "--json").json
    assert waiting["public_key"] == base64url(second.public_key)
    now = int(time.time())
    signed = base64url(first.grant(second.public_key, Entitlement.DOOR_LOCK, now + 3600, now))
    said = run("invitations", "grant", made["id"], signed, "--json")
    assert said.json["state"] == "accepted", said.err
    assert asyncio.run(claim(second, made["link"]))["key_id"] == said.json["key_id"]
    signed = base64url(first.grant(third.public_key, Entitlement.DOOR_LOCK, now + 3600, now))
    line = ["keys", "share", parent, "--public-key", base64url(third.public_key)]
    said = run(*line, "--json", "--profile", "access", "--for", "1h")
    assert (said.code, said.error["code"]) == (Exit.NOT_AUTHORISED, "wider_than_parent")
    said = run(*line, "--json", "--entitlement", "door.lock", "--for", "1h")
    assert (said.code, said.error["code"]) == (Exit.CONFLICT, "grant_required")
    assert "--grant" in said.error["next"]
    assert run(*line, "--json", "--grant", signed).json["parent_id"] == parent
    said = run(*line, "--json", "--grant", signed, "--for", "1h")
    assert (said.code, said.error["code"]) == (Exit.USAGE, "bad_rights")
