"""``keygw vehicles provision``: who the vehicle is goes to the gateway, whom it is to trust goes into the vehicle.

The order makes a crash harmless: the vehicle makes its keys (and keeps them), the gateway records it, the root is
written. Each step is a success when it has been done before, so the same command again does what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import (
    AdvertisingKey,
    Data,
    Json,
    NewVehicleId,
    NewVehicleName,
    Target,
    TokenFile,
    Url,
    VehicleKey,
)

RECORD = "provisioning.json"
"""What a simulated vehicle looks for in its state folder, at every connection."""


def provision(
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="DIR",
            help="The state folder of a simulated vehicle, or of a board. A simulated vehicle that is not there yet is "
            "made. Its private key never leaves the folder.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the record for a flasher into this file."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Who the vehicle is, if it was made elsewhere: JSON with id, name, public_key and advertising_key; - "
            "reads stdin. The other options win over it.",
        ),
    ] = None,
    id_: NewVehicleId = None,
    name: NewVehicleName = None,
    public_key: VehicleKey = None,
    advertising_key: AdvertisingKey = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Put the issuer's root into a vehicle, and make the vehicle known here.

    With --state into a simulated vehicle's folder, with --out into a file for a flasher. The same again is a success,
    also after a crash in between.
    """
    if (state is None) == (out is None):
        raise usage(
            "no_vehicle", "a vehicle is provisioned in its folder or by a file", "give --state DIR or --out FILE"
        )
    given = {"id": id_, "name": name, "public_key": public_key, "advertising_key": advertising_key}
    elsewhere = source is not None or any((id_, public_key, advertising_key))
    if state is None and not elsewhere:
        raise usage(
            "incomplete_vehicle", "--out needs to know who the vehicle is", "add --from FILE, or --id and so on"
        )
    with Target(url, token_file, data).open() as gateway:
        issuer = gateway.get("/.well-known/keygw")["issuer"]["issuer"]
        made = False
        if state is not None and not elsewhere:
            made, vehicle = _of_simulator(state, name)
        else:
            from keygw.cli.vehicles import described

            vehicle = described(source, given)
        target = _target(state, out)
        kept = _waiting(target, vehicle["id"], issuer)
        answer = gateway.post("/v1/vehicles", vehicle)
    record = {**kept, "v": 1, "vehicle_id": answer["id"], "issuer": answer["issuer"]}
    fresh = record != kept
    if fresh:
        from keygw.cli import files

        files.write_json(target, record)
    if as_json:
        output.document(
            {"vehicle": vehicle, "issuer": answer["issuer"], "file": str(target), "made": made, "written": fresh}
        )
        return
    output.facts(
        (
            ("vehicle", answer["id"]),
            ("name", answer["name"]),
            ("vehicle key", answer["public_key"]),
            ("made", "now" if made else "before"),
            ("issuer", answer["issuer"]["issuer"]),
            ("issuer key", answer["issuer"]["kid"]),
            ("record", f"{target} ({'written' if fresh else 'was there'})"),
        )
    )
    output.remark(
        "Next, its owner: open pairing mode in the vehicle, then keygw pair CODE"
        if state is not None
        else "Next: flash the record into the vehicle; then its owner pairs with keygw pair CODE"
    )


def _of_simulator(state: Path, name: str | None) -> tuple[bool, dict[str, Any]]:
    """Whether it was made now, and who it is. The simulator makes it: its keys are none of this program's business."""
    import contextlib
    import io
    import json

    from keygw.cli import simulators

    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        code = simulators.run("vehicle", ["--state", str(state), "--identity", *(("--name", name) if name else ())])
    if code:
        raise Failure(
            Exit.ENVIRONMENT, "vehicle_unusable", complaint.getvalue().strip(), f"look at the vehicle in {state}"
        )
    answer = json.loads(said.getvalue())
    return answer["made"], answer["vehicle"]


def _target(state: Path | None, out: Path | None) -> Path:
    """Where the record goes; asked before the gateway does anything."""
    target = out if out is not None else (state or Path()) / RECORD
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK):
        raise Failure(
            Exit.ENVIRONMENT,
            "not_writable",
            f"nothing can be written in {target.parent}",
            "make the folder, or name another",
        )
    return target


def _waiting(target: Path, vehicle_id: str, issuer: str) -> Mapping[str, Any]:
    """The record that is there already, of which an owner is kept. ``Failure`` file_exists if it is something else."""
    from keygw.cli import files

    if not os.path.lexists(target):
        return {}
    strange = Failure(
        Exit.CONFLICT,
        "file_exists",
        f"{target} is there already, and is no record of this gateway for {vehicle_id}",
        "start the vehicle to have it taken, or move it away",
    )
    try:
        found = files.read_json(str(target))
    except Failure:
        raise strange from None
    root = found.get("issuer")
    if found.get("vehicle_id") != vehicle_id or not isinstance(root, dict) or root.get("issuer") != issuer:
        raise strange
    return found
