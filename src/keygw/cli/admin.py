"""``keygw admin``: what the operator looks after."""

from __future__ import annotations

import typer

from keygw.cli import admin_issuer_keys

app = typer.Typer(no_args_is_help=True, help="What the operator looks after.")
app.add_typer(admin_issuer_keys.app, name="issuer-keys")
