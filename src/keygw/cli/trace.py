"""``keygw trace``: what went over the air, frame by frame, from a capture or as it happens."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage

if TYPE_CHECKING:
    from keygw.ble.trace.att import Handles
    from keygw.ble.trace.packet import Packet, Source
    from keygw.ble.trace.rig import KeyLogReader
    from keygw.ble.trace.watcher import Watcher
    from keygw.session.trace import Record

LIVE = "live"
PAUSE_S = 0.2
MAX_HANDLE = 0xFFFF
MAX_COUNT = 10**9


class By(StrEnum):
    DEVICE = "device"
    VEHICLE = "vehicle"


class Verdict(StrEnum):
    OK = "ok"
    PART = "part"
    SEALED = "sealed"
    REFUSED = "refused"
    BREACH = "breach"


def trace(
    source: Annotated[
        str,
        typer.Argument(metavar="CAPTURE", help="A btsnoop or pcapng file, or: live, between a host and --radio."),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the file grows; Ctrl-C ends it.")] = False,
    key_log: Annotated[
        Path | None,
        typer.Option("--key-log", metavar="FILE", help="Session keys of a test rig: opens what is sealed."),
    ] = None,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show key tokens, grants, advertising keys and attestations too.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write what was read as btsnoop, for Wireshark.")
    ] = None,
    link: Annotated[str | None, typer.Option("--link", metavar="LINK", help="Only this link, as in 0040#2.")] = None,
    by: Annotated[By | None, typer.Option("--by", metavar="SIDE", help="Only what device or vehicle sent.")] = None,
    message: Annotated[
        list[str] | None, typer.Option("--message", metavar="TYPE", help="Only messages of this name; repeat it.")
    ] = None,
    verdict: Annotated[
        list[Verdict] | None,
        typer.Option("--verdict", metavar="WORD", help="Only ok, part, sealed, refused or breach; repeat it."),
    ] = None,
    rx: Annotated[
        int, typer.Option("--rx", metavar="HANDLE", min=0, max=MAX_HANDLE, help="Of RX, if discovery is missing.")
    ] = 0,
    tx: Annotated[
        int, typer.Option("--tx", metavar="HANDLE", min=0, max=MAX_HANDLE, help="Of TX, if discovery is missing.")
    ] = 0,
    brief: Annotated[bool, typer.Option("--brief", "-b", help="One line a record, without fields.")] = False,
    count: Annotated[
        int,
        typer.Option("--count", metavar="N", min=0, max=MAX_COUNT, help="Stop after so many records; 0: never."),
    ] = 0,
    radio: Annotated[
        str | None,
        typer.Option("--radio", metavar="SPEC", help="live: the controller, as in usb:0 or tcp-client:127.0.0.1:7462."),
    ] = None,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="ADDRESS:PORT", help="live: where the host attaches instead; port 0: any."),
    ] = "127.0.0.1:0",
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line; errors on stderr.")] = False,
) -> int:
    """Tell what went over the air: frames, messages, fields, and a verdict on each with the section that says so.

    What is sealed stays so without --key-log, and secrets are redacted. A file that breaks in the middle is told up to
    there; then the byte is named, and the exit code is 2.
    """
    from keygw.cli.files import must_be_new
    from keygw.cli.trace_text import Teller

    if bool(rx) != bool(tx):
        raise usage("bad_handle", "RX and TX belong together", "give both --rx and --tx, or neither")
    if source == LIVE and radio is None:
        raise usage("usage", "live needs a controller", "name it: keygw trace live --radio tcp-client:127.0.0.1:7462")
    if radio is not None and source != LIVE:
        raise usage("usage", "--radio is for live", "leave it out, or say: keygw trace live --radio SPEC")
    place = _place(listen)
    if export is not None:
        must_be_new(export)
    colour = output.fancy(sys.stdout) and not (no_color or os.environ.get("NO_COLOR"))
    teller = Teller(colour=colour, brief=brief)
    wanted = _filter(link, by, message or [], verdict or [])
    left = [count or -1]

    def show(record: Record) -> bool:
        """Whether to go on."""
        if wanted(record):
            output.line(record.to_json()) if as_json else output.say(teller.text(record))
            left[0] -= 1
        return left[0] != 0

    with contextlib.ExitStack() as stack:
        reader = _keys(key_log, stack)
        watcher = _watcher(reader, show_secrets, _handles(rx, tx), follow or source == LIVE)
        keep = _exporter(export, stack)
        try:
            if source == LIVE:
                return _live(str(radio), place, watcher, keep, show)
            for packet in _packets(Path(source), follow, stack):
                keep(packet)
                if not all(show(record) for record in watcher.take(packet)):
                    break
        except KeyboardInterrupt:
            pass  # That is how one ends it.
    return Exit.OK


def _place(listen: str) -> tuple[str, int]:
    from keygw.app.addresses import host_and_port

    try:
        return host_and_port(listen)
    except ValueError as error:
        raise usage("bad_setting", f"--listen: {error}", "give ADDRESS:PORT, as in 127.0.0.1:7470") from error


def _filter(link: str | None, by: By | None, names: list[str], words: list[Verdict]) -> Callable[[Record], bool]:
    from keygw.wire.messages import MessageType

    chosen = {name.upper() for name in names}
    unknown = sorted(chosen - set(MessageType.__members__))
    if unknown:
        known = ", ".join(MessageType.__members__)
        raise usage("unknown_message", f"no message is called {unknown[0][:40]!r}", f"choose from: {known}")

    def wanted(record: Record) -> bool:
        return (
            (link is None or record.link == link)
            and (by is None or record.by == by.value)
            and (not chosen or (record.message is not None and record.message.name in chosen))
            and (not words or record.verdict.word.value in {word.value for word in words})
        )

    return wanted


def _keys(path: Path | None, stack: contextlib.ExitStack) -> KeyLogReader | None:
    if path is None:
        return None
    from keygw.ble.trace.rig import KeyLogReader, KeyLogUnreadable
    from keygw.session.trace import MalformedKeyLog

    try:
        reader = KeyLogReader(path)
    except (KeyLogUnreadable, MalformedKeyLog) as error:
        raise usage(error.code, str(error), "key logs are made by: keygw sim vehicle --key-log FILE") from error
    stack.callback(reader.close)
    output.remark(
        f"keygw: {output.clean(path)} opens {len(reader.keys)} secrets of sessions; keep this output to yourself"
    )
    return reader


def _handles(rx: int, tx: int) -> Handles | None:
    from keygw.ble.trace.att import Handles

    return Handles(rx, tx, 0, tx + 1) if rx else None


def _watcher(reader: KeyLogReader | None, reveal: bool, handles: Handles | None, grows: bool) -> Watcher:
    from keygw.ble.trace.watcher import Watcher

    keys, refresh = (None, None) if reader is None else (reader.keys, reader.refresh if grows else None)
    return Watcher(keys, reveal=reveal, handles=handles, refresh=refresh)


def _exporter(path: Path | None, stack: contextlib.ExitStack) -> Callable[[Packet], None]:
    if path is None:
        return lambda packet: None
    from keygw.ble.trace.btsnoop import Writer

    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failure(
            Exit.ENVIRONMENT, "not_writable", f"{path} could not be written: {error.strerror}", "name another file"
        ) from error
    writer = Writer(stack.enter_context(os.fdopen(handle, "wb")))

    def keep(packet: Packet) -> None:
        try:
            writer.write(packet)
        except ValueError as error:
            raise usage(
                "not_exportable", "btsnoop holds what a host heard; this capture is of the air", "open it as it is"
            ) from error

    return keep


def _packets(path: Path, follow: bool, stack: contextlib.ExitStack) -> Iterator[Packet]:
    from keygw.ble.trace.capture import packets
    from keygw.ble.trace.packet import BrokenCapture

    try:
        file = stack.enter_context(path.open("rb"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise usage("unreadable", f"{str(path)[:200]} cannot be read: {why}", "look at the name") from error
    try:
        yield from packets(_Growing(file) if follow else file)
    except BrokenCapture as error:
        next_step = "it is still written? then --follow it; else capture again" if not follow else "capture again"
        raise usage(error.code, str(error), next_step) from error


class _Growing:
    """A file that is still written: a read waits until there is enough. Ctrl-C ends it."""

    def __init__(self, file: Source) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                time.sleep(PAUSE_S)
            data += more
        return data


def _live(
    radio: str, place: tuple[str, int], watcher: Watcher, keep: Callable[[Packet], None], show: Callable[[Record], bool]
) -> int:
    import asyncio

    from keygw.ble.trace.live import Between
    from keygw.model.errors import LinkError

    async def run() -> None:
        enough = asyncio.get_running_loop().create_future()

        def seen(packet: Packet) -> None:
            keep(packet)
            if not all(show(record) for record in watcher.take(packet)) and not enough.done():
                enough.set_result(None)

        def ready(transport: str) -> None:
            output.remark(f"keygw: attach the host to {transport}, as in: keygw serve --radio {transport}")

        between = asyncio.ensure_future(Between(radio, *place, seen).run(ready))
        await asyncio.wait({between, enough}, return_when=asyncio.FIRST_COMPLETED)
        if between.done():
            between.result()
        between.cancel()
        await asyncio.gather(between, return_exceptions=True)

    try:
        asyncio.run(run())
    except LinkError as error:
        raise Failure(Exit.ENVIRONMENT, error.code, str(error), "look at the radio: keygw doctor") from error
    except OSError as error:
        raise Failure(
            Exit.ENVIRONMENT,
            "port_taken",
            f"cannot listen on {place[0]} port {place[1]}: {error.strerror}",
            "choose another --listen",
        ) from error
    return Exit.OK
