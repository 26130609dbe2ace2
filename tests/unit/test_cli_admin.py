"""``keygw admin``: operators, tenants, people, limits, and what is gathered beside them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from keygw.cli.exits import Exit

if TYPE_CHECKING:
    from tests.unit.conftest import Run


def test_an_operator_from_its_first_token_to_its_last(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "grace.token"
    made = run("admin", "operators", "add", "Grace", "--role", "support", "--for", "2h", "--save", str(file), "--json")
    token, name = file.read_text().strip(), made.json["operator"]["id"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in made.out + made.err
    as_grace = ("--token-file", str(file))
    who = run("apps", "whoami", *as_grace)
    assert f"operator\t{name}" in who.out
    assert "role\tsupport" in who.out
    refused = run("admin", "operators", "list", *as_grace, "--json")
    assert (refused.code, refused.error["code"]) == (Exit.NOT_AUTHORISED, "insufficient_scope")
    assert "operator.read" in refused.error["next"]
    assert f"{name}\tGrace\tsupport\tthe gateway" in run("admin", "operators", "list").out
    assert "key.hold" in run("admin", "operators", "show", "grace").out

    fresh = tmp_path / "fresh.token"
    rotated = run("admin", "operators", "rotate", name, "--save", str(fresh), *as_grace, "--json")
    assert rotated.json["operator"]["id"] == name
    assert run("apps", "whoami", *as_grace).code == Exit.NOT_AUTHORISED
    assert run("apps", "whoami", "--token-file", str(fresh)).code == 0
    assert run("admin", "operators", "revoke", name[:12], "--json").json == {"operator_id": name, "revoked": True}
    ended = run("apps", "whoami", "--token-file", str(fresh), "--json")
    assert (ended.code, ended.error["code"]) == (Exit.NOT_AUTHORISED, "token_revoked")
    assert f"{name}\tGrace\tsupport\tthe gateway\trevoked" in run("admin", "operators", "list").out


def test_a_token_that_is_not_saved_is_shown_once(run: Run) -> None:
    said = run("admin", "operators", "add", "Once", "--role", "auditor")
    assert "token\tkgw_" in said.out
    assert "cannot be shown again" in said.err
    assert "kgw_" not in run("admin", "operators", "show", "Once").out


def test_what_cannot_be_says_the_next_step(run: Run) -> None:
    for line, exit_code, code, step in (
        (("operators", "add", "x", "--role", "king"), Exit.USAGE, "unknown_role", "fleet"),
        (("operators", "show", "Nobody"), Exit.NOT_FOUND, "unknown_operator", "choose one of"),
        (("tenants", "add", ""), Exit.USAGE, "validation", ""),
        (("people", "show", "Nobody"), Exit.NOT_FOUND, "unknown_person", ""),
        (
            ("operators", "add", "x", "--role", "issuer", "--tenant", "default"),
            Exit.USAGE,
            "role_of_the_platform",
            "--tenant",
        ),
        (
            ("operators", "add", "x", "--role", "admin", "--tenant", "ten_mfrggzdfmztwq2lk"),
            Exit.NOT_FOUND,
            "unknown_tenant",
            "tenants list",
        ),
        (("limits", "set", "share_depth"), Exit.USAGE, "bad_change", "=default"),
        (("limits", "set", "share_depth=77"), Exit.USAGE, "bad_limit", ""),
        (("apps", "remove", "app_mfrggzdfmztwq2lk"), Exit.NOT_FOUND, "unknown_app", "apps list"),
    ):
        said = run("admin", *line, "--json")
        assert (said.code, said.error["code"]) == (exit_code, code), line
        assert step in said.error["next"], line


def test_a_second_maker(run: Run, car: dict[str, str], owner: str, tmp_path: Path) -> None:
    tenant = run("admin", "tenants", "add", "Blue Motors")
    assert "--tenant ten_" in tenant.err
    assert "Blue Motors" in run("admin", "tenants", "list").out
    file, phone = tmp_path / "blue.token", tmp_path / "phone.token"
    run("admin", "operators", "add", "Bob", "--role", "admin", "--tenant", "Blue Motors", "--save", str(file))
    as_bob = ("--token-file", str(file))
    assert [each["name"] for each in run("admin", "tenants", "list", *as_bob, "--json").json["tenants"]] == [
        "Blue Motors"
    ]
    run("admin", "apps", "add", "Blue app", "--scope", "key.manage,key.read", "--save", str(phone), *as_bob)
    assert [each["name"] for each in run("admin", "apps", "list", *as_bob, "--json").json["apps"]] == ["Blue app"]
    assert run("admin", "vehicles", "list", *as_bob, "--json").json == {"vehicles": []}
    assert run("admin", "keys", "list", *as_bob, "--json").json == {"keys": []}
    for line in (("vehicles", "show", car["id"]), ("keys", "suspend", owner), ("keys", "revoke", owner)):
        said = run("admin", *line, *as_bob, "--json")
        assert (said.code, said.error["code"]) == (Exit.NOT_FOUND, f"unknown_{line[0][:-1]}")
    assert car["id"] in run("admin", "vehicles", "list").out
    assert run("admin", "keys", "suspend", owner, "--json").json["state"] == "suspended"
    assert run("admin", "keys", "resume", owner, "--json").json["state"] == "active"
    shown = run("admin", "apps", "show", "Blue app")
    assert "scopes\tkey.manage, key.read" in shown.out
    assert run("admin", "apps", "remove", "Blue app", *as_bob).code == 0
    assert run("apps", "whoami", "--token-file", str(phone)).code == Exit.NOT_AUTHORISED


def test_people(run: Run, car: dict[str, str], owner: str) -> None:
    person = run("admin", "people", "add", "Ada", "--json").json["id"]
    made = run("apps", "add", "Ada's phone", "--scope", "key.manage,key.read", "--json").json["app"]["id"]
    assert run("admin", "people", "bind", "Ada", made).out == f"{made}: acts for {person}\n"
    assert f"apps\t{made}" in run("admin", "people", "show", "ada").out
    other = run("admin", "people", "add", "Eve", "--json").json["id"]
    taken = run("admin", "people", "bind", other, made, "--json")
    assert (taken.code, taken.error["code"]) == (Exit.CONFLICT, "app_bound")
    assert "unbind" in taken.error["next"]
    done = run("vehicles", "end-epoch", car["id"], "--for-person", "Ada", "--json")
    assert done.json["vehicle_id"] == car["id"]
    assert run("admin", "people", "show", "Ada", "--json").json["reserved_vehicle_ids"] == [car["id"]]
    assert run("admin", "people", "unbind", "Ada", made, "--json").json["bound"] is False
    assert run("admin", "people", "close", "Ada").out == f"{person}: closed\n"
    assert f"{person}\tAda\tclosed\tdefault" in run("admin", "people", "list").out


def test_limits(run: Run) -> None:
    assert "share_depth\t2\tthe deployment's" in run("admin", "limits", "show").out
    said = run("admin", "limits", "set", "share_depth=1", "keys_per_owner=7", "--tenant", "default")
    assert "share_depth\t1\tits own" in said.out
    assert run("admin", "limits", "set", "share_depth=default", "--json").json["own"] == {"keys_per_owner": 7}
    assert run("admin", "limits", "show", "--json").json["limits"]["keys_per_owner"] == 7


def test_the_last_door(run: Run, tmp_path: Path) -> None:
    """The last test of this gateway: its first token ends here."""
    refused = run("admin", "operators", "end-bootstrap", "--json")
    assert (refused.code, refused.error["code"]) == (Exit.CONFLICT, "last_admin")
    assert "operators add" in refused.error["next"]
    file = tmp_path / "ada.token"
    run("admin", "operators", "add", "Ada", "--role", "admin", "--save", str(file))
    assert run("admin", "operators", "end-bootstrap", "--token-file", str(file), "--json").json == {"ended": True}
    assert run("apps", "whoami").code == Exit.NOT_AUTHORISED
    last = run("admin", "operators", "revoke", "Ada", "--token-file", str(file), "--json")
    assert (last.code, last.error["code"]) == (Exit.CONFLICT, "last_admin")
