"""``keygw admin``: what operators look after."""

from __future__ import annotations

import typer

from keygw.cli import admin_issuer_keys, admin_limits, admin_operators, admin_people, admin_tenants, admin_things

app = typer.Typer(no_args_is_help=True, help="What operators look after.")
app.add_typer(admin_operators.app, name="operators")
app.add_typer(admin_tenants.app, name="tenants")
app.add_typer(admin_people.app, name="people")
app.add_typer(admin_things.vehicles, name="vehicles")
app.add_typer(admin_things.keys, name="keys")
app.add_typer(admin_things.devices, name="devices")
app.add_typer(admin_things.apps, name="apps")
app.add_typer(admin_limits.app, name="limits")
app.add_typer(admin_issuer_keys.app, name="issuer-keys")
