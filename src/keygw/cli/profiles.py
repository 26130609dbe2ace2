"""``keygw profiles``: the access profiles and limits of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Access profiles: what keys may be asked for by name, and the limits.")

_COLUMNS = ("profile", "for", "longest", "attestation", "entitlements")
_DAY = 86_400


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """List the access profiles."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/profiles")
    if as_json:
        output.document(answer)
    else:
        output.table(_COLUMNS, (_row(each) for each in answer["profiles"]), "There is no profile.")


@app.command()
def show(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="Its name, as profiles list shows it.")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Show one access profile, with what each of its entitlements is for."""
    from keygw.cli.exits import Exit
    from keygw.cli.failure import Failure

    with Target(url, token_file, data).open() as gateway:
        found = {each["name"]: each for each in gateway.get("/v1/profiles")["profiles"]}
        if profile not in found:
            sentence = f"{profile[:40]!r} is not a profile"
            raise Failure(Exit.NOT_FOUND, "unknown_profile", sentence, f"choose one of: {', '.join(found)}")
        known = {each["name"]: each for each in gateway.get("/v1/entitlements")["entitlements"]}
    answer = found[profile]
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("profile", answer["name"]),
            ("description", answer["description"]),
            ("for", ", ".join(answer["roles"])),
            ("longest", _span(answer["longest_seconds"])),
            ("shared on", f"{answer['share_depth']} times at most"),
            ("attestation", answer["attestation"]),
            ("hosted devices", "yes" if answer["hosted"] else "no"),
            *((name, known[name]["description"]) for name in answer["entitlements"]),
        )
    )


@app.command()
def limits(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show the limits: keys, invitations, devices, durations."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/limits")
    if as_json:
        output.document(answer)
        return
    shown = ((name, ", ".join(each) if isinstance(each, list) else each) for name, each in answer.items())
    output.facts((name.replace("_", " "), each) for name, each in shown)


def _row(each: Mapping[str, Any]) -> tuple[object, ...]:
    rights, roles = ",".join(each["entitlements"]), ",".join(each["roles"])
    return each["name"], roles, _span(each["longest_seconds"]), each["attestation"], rights


def _span(seconds: int | None) -> str:
    if seconds is None:
        return "as the parent"
    return f"{seconds // _DAY}d" if seconds % _DAY == 0 else f"{seconds}s"
