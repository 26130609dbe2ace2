"""``keygw admin people``: the accounts that owner keys are bound to, and the apps that act for them."""

from __future__ import annotations

from typing import Annotated

import typer

from keygw.cli import output
from keygw.cli.options import AppName, Data, Json, Target, TenantName, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="People's accounts: whose owner keys are, and which apps act for whom.")

Name = Annotated[
    str, typer.Argument(metavar="PERSON", help="Account id, the unique beginning of one (per_ab), or its name.")
]
_PATH = "/v1/people"


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    tenant: TenantName = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Open an account."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        wish = {"name": name, **({} if tenant is None else {"tenant_id": lookup.tenant_id(gateway, tenant)})}
        answer = gateway.post(_PATH, wish)
    if as_json:
        output.document(answer)
        return
    output.facts((("person", answer["id"]), ("name", answer["name"]), ("tenant", answer["tenant_id"])))
    output.remark(f"Next, an app that acts for this person: keygw admin people bind {answer['id']} APP")


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show the accounts that there are and were, oldest first."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(_PATH)
    if as_json:
        output.document(answer)
        return
    rows = ((each["id"], each["name"], each["state"], each["tenant_id"]) for each in answer["people"])
    output.table(("person", "name", "state", "tenant"), rows, "There is none yet: keygw admin people add NAME")


@app.command()
def show(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show one account: its apps, vehicles and keys."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"{_PATH}/{lookup.person_id(gateway, name)}")
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("person", answer["id"]),
            ("name", answer["name"]),
            ("state", answer["state"]),
            ("tenant", answer["tenant_id"]),
            ("apps", ", ".join(answer["app_ids"])),
            ("vehicles", ", ".join(answer["vehicle_ids"])),
            ("waiting for a key", ", ".join(answer["reserved_vehicle_ids"])),
            ("keys", ", ".join(f"{key['id']} ({key['state']})" for key in answer["keys"])),
        )
    )


@app.command()
def bind(
    name: Name,
    app_id: AppName,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Let an app act for a person: its owner keys are that person's from now on, those that it has too."""
    _change("PUT", name, app_id, Target(url, token_file, data), as_json=as_json)


@app.command()
def unbind(
    name: Name,
    app_id: AppName,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Let an app act for nobody any more, as one on a phone that is gone. Keys stay the person's."""
    _change("DELETE", name, app_id, Target(url, token_file, data), as_json=as_json)


@app.command()
def close(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Close an account, for good. Its owner keys must have ended before."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"{_PATH}/{lookup.person_id(gateway, name)}:close")
    if as_json:
        output.document(answer)
    else:
        output.say(f"{answer['id']}: {answer['state']}")


def _change(method: str, name: str, app_id: str, target: Target, *, as_json: bool) -> None:
    from keygw.cli import lookup

    with target.open() as gateway:
        person, found = lookup.person_id(gateway, name), lookup.app_id(gateway, app_id)
        gateway.call(method, f"{_PATH}/{person}/apps/{found}")
    bound = method == "PUT"
    if as_json:
        output.document({"person_id": person, "app_id": found, "bound": bound})
    else:
        output.say(f"{found}: acts for {person if bound else 'nobody'}")
