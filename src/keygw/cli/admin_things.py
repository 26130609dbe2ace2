"""``keygw admin vehicles | keys | devices | apps``: the commands of those groups that are an operator's work."""

from __future__ import annotations

import typer

from keygw.cli import apps as _apps
from keygw.cli import devices as _devices
from keygw.cli import key_changes, key_ends, losses, ownership
from keygw.cli import keys as _keys
from keygw.cli import vehicles as _vehicles

vehicles = typer.Typer(no_args_is_help=True, help="The vehicles of a tenant, or of all.")
vehicles.command("list")(_vehicles.list_)
vehicles.command()(_vehicles.show)
vehicles.command()(_vehicles.add)
vehicles.command("end-epoch")(ownership.end_epoch)

keys = typer.Typer(no_args_is_help=True, help="The digital keys of a tenant, or of all.")
keys.command("list")(_keys.list_)
keys.command()(_keys.show)
keys.command()(key_changes.suspend)
keys.command()(key_changes.resume)
keys.command()(key_changes.revoke)
keys.command()(key_ends.overdue)

devices = typer.Typer(no_args_is_help=True, help="The devices of a tenant, or of all.")
devices.command("list")(_devices.list_)
devices.command()(_devices.show)
devices.command()(losses.lost)
devices.command()(losses.found)
devices.command()(_devices.remove)

apps = typer.Typer(no_args_is_help=True, help="The apps of a tenant, or of all, and their tokens.")
apps.command("list")(_apps.list_)
apps.command()(_apps.show)
apps.command()(_apps.add)
apps.command()(_apps.remove)
