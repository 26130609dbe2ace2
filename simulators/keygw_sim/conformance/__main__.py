"""``keygw conformance``: hold a vehicle, or a device, to the requirements of ``protocols/``, one by one.

    keygw conformance --target virtual                      a simulated vehicle on the virtual radio, in this process
    keygw conformance prepare DIR --vehicle FILE            a rig for a board: keys, and a provisioning file for it
    keygw conformance --target tcp-client:HOST:PORT --rig DIR [--operator]
    keygw conformance prepare DIR --phone FILE              a rig for a phone app: a vehicle to play, and a key for it
    keygw conformance --role device --target usb:0 --rig DIR --operator

Exit codes: 0 every requirement that was tried holds; 1 one does not; 2 the command line is wrong; 3 no adapter, no
permission, no board, or it was unplugged in the middle (the report says so, and is written all the same).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from keygw.model.errors import BadInput, KeygwError, LinkError, StoreError
from keygw_sim.conformance import kit, lack, rig
from keygw_sim.conformance.hci import SIMULATED
from keygw_sim.conformance.registry import Role, requirements
from keygw_sim.conformance.reports import plain
from keygw_sim.conformance.verdict import Unplugged, Word
from keygw_sim.stdio import orders

EXIT_FAILED, EXIT_USAGE, EXIT_ENVIRONMENT, EXIT_INTERRUPTED = 1, 2, 3, 130
TARGET = "virtual"
SECONDS = 120.0
"""For each step of an operator."""
_FILE_BYTES = 65_536
_ENVIRONMENT = ("board_in_use",)


def main(argv: Sequence[str] | None = None) -> int:
    """One run; see the module."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # a lost link is told by us, not by Bumble's log
    as_json = "--json" in arguments
    try:
        if arguments[:1] == ["prepare"]:
            return _prepare(arguments[1:])
        return _test(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except lack.NoRadio as error:
        return _failed(error.code, str(error), EXIT_ENVIRONMENT, as_json, error.cure)
    except (LinkError, StoreError) as error:
        return _failed(error.code, str(error), EXIT_ENVIRONMENT, as_json)
    except BadInput as error:
        return _failed(error.code, str(error), EXIT_ENVIRONMENT if error.code in _ENVIRONMENT else EXIT_USAGE, as_json)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _failed("file_unusable", f"{error.strerror or error}{where}", EXIT_ENVIRONMENT, as_json)
    except KeygwError as error:
        return _failed(error.code, str(error), EXIT_ENVIRONMENT, as_json)


def _prepare(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="keygw conformance prepare",
        description="Make the rig for a board (a test issuer, device keys, and the provisioning file for the board) or "
        "for a phone app (a vehicle that the kit plays, and the digital key that the app takes in).",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder for the rig; it holds secrets")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--vehicle", type=Path, metavar="FILE",
        help="JSON with the board's id, public_key and advertising_key, as keygw sim vehicle --identity prints it",
    )  # fmt: skip
    who.add_argument(
        "--phone", type=Path, metavar="FILE",
        help="JSON with the public_key of the app's device key, as keygw sim phone prints it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    args = parser.parse_args(arguments)
    if args.phone is not None:
        return _prepare_phone(args.folder, args.phone, args.json)
    made = rig.prepare(args.folder, rig.vehicle_of(_described(args.vehicle, "bad_vehicle")))
    provisioning = args.folder / rig.PROVISIONING
    if args.json:
        print(json.dumps({"rig": str(args.folder), "provisioning": str(provisioning), "vehicle": made.vehicle.id}))
    else:
        print(f"the rig for {made.vehicle.id} is in {args.folder}")
        print(f"  give the board {provisioning}, then: keygw conformance --target TARGET --rig {args.folder}")
    return 0


def _prepare_phone(folder: Path, file: Path, as_json: bool) -> int:
    from keygw_sim.conformance import rig_device

    made = rig_device.prepare_device(folder, rig_device.device_of(_described(file, "bad_phone")))
    key = folder / rig_device.KEY
    if as_json:
        print(json.dumps({"rig": str(folder), "key": str(key), "vehicle": made.rig.vehicle.id}))
    else:
        print(f"the rig for that phone is in {folder}")
        line = f"keygw conformance --role device --target TARGET --rig {folder} --operator"
        print(f"  let the app take in {key}, then: {line}")
    return 0


def _described(path: Path, code: str) -> object:
    with path.open("rb") as file:
        content = file.read(_FILE_BYTES + 1)
    try:
        return json.loads(content) if len(content) <= _FILE_BYTES else None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON", code=code) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keygw conformance",
        description="Hold a vehicle to the requirements of the protocols, one by one, with the evidence.",
        epilog="keygw conformance prepare DIR --vehicle FILE makes the rig for a board. Exit codes: 0 every "
        "requirement that was tried holds, 1 one does not, 2 wrong command line, 3 no adapter, permission or board, "
        "or unplugged in the middle.",
    )
    parser.add_argument(
        "--target", default=TARGET, metavar="TARGET",
        help="virtual (default), memory, dbus, bluez, a Bumble transport (usb:0, serial:..., tcp-client:...), or the "
        "address or name that a board advertises",
    )  # fmt: skip
    parser.add_argument(
        "--role", choices=("vehicle", "device"), default="vehicle",
        help="what is tested (default: a vehicle); device: a phone, at a vehicle that the kit plays: the simulated one "
        "(virtual, memory), or an app on a phone near the HCI controller that the target names",
    )  # fmt: skip
    parser.add_argument("--rig", type=Path, metavar="DIR", help="what keygw conformance prepare has made")
    parser.add_argument(
        "--operator", type=float, nargs="?", const=SECONDS, metavar="SECONDS",
        help="somebody is at the board or phone: say what to do, and read on stdin what came of it; so long is waited "
        f"for each step (default {SECONDS:.0f})",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", default=[], metavar="NUMBER",
        help="a requirement, or the beginning of several: KS-203, KS-9; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=15.0, metavar="SECONDS",
        help="the longest wait for a time-out of a board (default 15); what takes longer is skipped",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what is required, and try nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit XML report")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write an HTML report, one file")
    return parser


def _test(arguments: Sequence[str]) -> int:
    args = _parser().parse_args(arguments)
    role = Role(args.role)
    if args.operator is not None and args.target in SIMULATED:
        raise BadInput("--operator goes with a board or a phone; what is simulated needs nobody", code="no_operator")
    if args.operator is not None and not 0 < args.operator <= 86_400:
        raise BadInput("--operator takes the seconds for each step, up to a day", code="bad_operator")
    try:
        chosen = kit.chosen(role, args.only)
    except KeyError as error:
        raise BadInput(
            f"no requirement of a {role.value} begins with {str(error.args[0])[:20]!r}; see --list",
            code="unknown_requirement",
        ) from error
    if not 0 <= args.patience <= 10_000_000:
        raise BadInput("--patience is a number of seconds", code="bad_patience")
    if args.list:
        return _list(chosen, args.json)
    with contextlib.ExitStack() as files:
        out = {
            path: files.enter_context(path.open("ab")) for path in (args.junit, args.html) if path is not None
        }  # a path that cannot be written is found before the run, and a report of before stands until there is another
        report = asyncio.run(_run(args))
        for file in out.values():
            file.truncate(0)
        if args.junit is not None:
            from keygw_sim.conformance.reports import junit

            out[args.junit].write(junit.xml(report))
        if args.html is not None:
            from keygw_sim.conformance.reports import page

            out[args.html].write(page.html(report).encode())
    if args.json:
        print(json.dumps(plain.document(report)))
    else:
        print(f"\n{plain.summary(report)}")
    if report.broken_off:
        found = lack.after(args.target)
        cure = report.cure if found is None or report.cure != Unplugged.LOOK else f"{found.why}: {found.cure}"
        print(f"keygw: {report.broken_off} [broken_off]\n  next: {cure}", file=sys.stderr)
        return EXIT_ENVIRONMENT
    return 0 if report.ok else EXIT_FAILED


async def _run(args: argparse.Namespace) -> kit.Report:
    from keygw_sim.conformance.operator import Operator

    def told(verdict: kit.Verdict) -> None:
        if not args.json:
            print(plain.line(verdict), flush=True)

    def prompt(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    operator = None if args.operator is None else Operator(orders(), prompt, args.operator)
    if args.role == "device":
        from keygw_sim.conformance.device_kit import run_device
        from keygw_sim.conformance.showroom_stands import device_stand

        async with device_stand(args.target, args.rig, args.patience, operator) as showroom:
            return await run_device(showroom, args.target, args.only, told)
    from keygw_sim.conformance.targets import stand

    async with stand(args.target, args.rig, args.patience, operator) as ready:
        return await kit.run(ready, args.target, args.only, told)


def _list(chosen: Sequence[object], as_json: bool) -> int:
    known = [each for each in requirements().values() if each in chosen]
    if as_json:
        said = [
            {"id": each.id, "role": each.role.value, "page": each.page, "says": each.says, "quote": each.quote,
             "hidden": each.hidden or None} for each in known
        ]  # fmt: skip
        print(json.dumps({"requirements": said}))
        return 0
    for each in known:
        print(f"{each.id}  {each.says}" + (f" ({Word.HIDDEN.value}: {each.hidden})" if each.hidden else ""))
    return 0


def _failed(code: str, detail: str, exit_code: int, as_json: bool, cure: str = "") -> int:
    if as_json:
        said = {"ok": False, "code": code, "detail": detail, "exit_code": exit_code, **({"next": cure} if cure else {})}
        print(json.dumps(said), file=sys.stderr)
    else:
        print(f"keygw: {detail} [{code}]" + (f"\n  next: {cure}" if cure else ""), file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
