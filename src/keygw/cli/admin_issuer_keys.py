"""``keygw admin issuer-keys``: the keys that sign key tokens and lists, and their rotation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import Data, Json, Target, TokenFile, Url
from keygw.cli.places import data_dir

if TYPE_CHECKING:
    from keygw.cli.client import Gateway

app = typer.Typer(no_args_is_help=True, help="The issuer's keys and their rotation (for the operator).")

Name = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="Its kid, the unique beginning of one, or next, current or retiring where one key is that.",
    ),
]
_PATH = "/v1/admin/issuer-keys"
_OLD, _NEW = "KEYGW_ISSUER_PASSPHRASE", "KEYGW_NEW_ISSUER_PASSPHRASE"


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show every key there ever was, oldest first."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(_PATH)
    if as_json:
        output.document(answer)
        return
    rows = [
        (key["kid"], key["state"], key["activated_at"], key["retired_at"] or key["retire_at"], key["signer"])
        for key in answer["keys"]
    ]
    output.table(("kid", "state", "signs since", "counts until", "kept in"), rows, "there is none")


@app.command()
def show(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show one of them."""
    with Target(url, token_file, data).open() as gateway:
        _tell(_found(gateway, name), as_json=as_json)


@app.command()
def prepare(
    place: Annotated[
        str | None,
        typer.Option(
            "--place",
            metavar="PLACE",
            help="file, or a PKCS#11 URI such as 'pkcs11:token=keygw;object=issuer-2026'; the key is made there unless "
            "it is there. Default: where the gateway keeps its keys.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Make the next key and announce it.

    It signs nothing before it is activated. Give vehicles time to hear of it first.
    """
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(_PATH, {} if place is None else {"place": place})
    _tell(answer, as_json=as_json)


@app.command()
def activate(
    name: Name,
    overlap: Annotated[
        str | None,
        typer.Option(
            "--overlap",
            metavar="SPAN",
            help="How long what the former key has signed still counts: 30d, 12h. Default: until its last token ends.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Sign with it from now on.

    The former key retires by itself at the end of the overlap; what it has signed is signed anew before.
    """
    from keygw.cli import spans

    wish = {} if overlap is None else {"overlap_seconds": spans.seconds(overlap)}
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"{_PATH}/{_kid(gateway, name)}/activate", wish)
    _tell(answer, as_json=as_json)


@app.command()
def retire(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """End it now, before its overlap is over; a key that was lost or stolen ends so.

    What it has signed and is in force is signed anew first, which takes a while with many keys. The current key
    cannot be retired: prepare and activate another one before.
    """
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.call("POST", f"{_PATH}/{_kid(gateway, name)}/retire")
    _tell(answer, as_json=as_json)


@app.command()
def passphrase(
    remove: Annotated[bool, typer.Option("--remove", help="Store the key files without a passphrase.")] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Change the passphrase of the key files, while the gateway is stopped.

    The old one is $KEYGW_ISSUER_PASSPHRASE (none: they have none), the new one $KEYGW_NEW_ISSUER_PASSPHRASE. Keys in
    an HSM have none. If it is cut short, ask for it again: what is done stays done.
    """
    new = os.environ.get(_NEW)
    if bool(new) == remove:
        raise usage("no_passphrase", "there is no new passphrase", f"set {_NEW}, or say --remove")
    changed = _change(data_dir(data), _bytes(os.environ.get(_OLD)), _bytes(new))
    if as_json:
        output.document({"changed": changed})
        return
    for file in changed:
        output.say(f"{file}: changed")
    if not remove:
        output.remark(f"From now on start the gateway with the new one in {_OLD}.")


def _change(directory: Path, old: bytes | None, new: bytes | None) -> list[str]:
    """The names of the files that were written."""
    from keygw.store.instance import InstanceLock
    from keygw.store.keyfile import change_passphrase

    files = sorted(directory.glob("issuer*.pem"))
    if not files:
        raise Failure(
            Exit.NOT_FOUND, "no_key_files", f"there are no issuer keys in {directory}", "name the place with --data"
        )
    with InstanceLock(directory):
        return [file.name for file in files if change_passphrase(file, old, new)]


def _bytes(text: str | None) -> bytes | None:
    return text.encode() if text else None


def _kid(gateway: Gateway, name: str) -> str:
    return quote(str(_found(gateway, name)["kid"]), safe="")


def _found(gateway: Gateway, name: str) -> Mapping[str, Any]:
    """``Failure`` unknown_issuer_key or ambiguous_issuer_key."""
    keys: Sequence[Mapping[str, Any]] = gateway.get(_PATH)["keys"]
    found = [each for each in keys if name in (each["kid"], each["state"])]
    found = found or [each for each in keys if len(name) > 1 and str(each["kid"]).startswith(name)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{each['kid']} ({each['state']})" for each in found or keys)
    if found:
        raise usage("ambiguous_issuer_key", f"{name[:40]!r} may be any of: {listed}", "type more of the kid")
    raise Failure(
        Exit.NOT_FOUND, "unknown_issuer_key", f"there is no issuer key {name[:40]!r}", f"choose one of: {listed}"
    )


def _tell(key: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(key)
        return
    output.facts(
        (
            ("kid", key["kid"]),
            ("state", key["state"]),
            ("issuer", key["issuer"]),
            ("public key", key["public_key"]),
            ("kept in", key["signer"]),
            ("made", key["made_at"]),
            ("signs since", key["activated_at"]),
            ("counts until", key["retire_at"]),
            ("retired", key["retired_at"]),
        )
    )
