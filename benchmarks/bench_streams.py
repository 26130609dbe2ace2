"""Fan-out: what an event costs for each of a thousand WebSocket streams, beside ``socket.send`` of the same bytes.

The gateway has one core, all who listen another. It publishes signals of one vehicle, with all that a stream is: a
token, the gate's decision, numbers, bounded queues. The bare loop sends the same frame to as many sockets from the same
process. Mosquitto (QoS 0, one topic) is beside it where it is installed. CPU is the server's processor time, as the
kernel counts it; the time until the last one has it is of a load that takes half of the core.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness import Figure
from benchmarks.issue_http import Customers
from benchmarks.listeners import PATIENCE, Listeners, connected
from benchmarks.served import Served, away_from, cpu_of, measurable, served

GROUP = "streams"
STREAMS = 1000
EVENTS = 100
PAUSE = 0.03
"""Seconds between two events where CPU is counted: whoever listens must keep up, or what waits would coalesce."""
ROUNDS = 5
NAME = f"fan-out to {STREAMS}"
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def figures() -> Iterator[Figure]:
    why = measurable()
    if why is not None:
        yield Figure(f"{NAME}: CPU", GROUP, 0, "absent", detail={"absent": why})
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from _measure(Path(folder))


def _measure(folder: Path) -> Iterator[Figure]:
    core = max(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(away_from({core}))
        gateway = stack.enter_context(served(["benchmarks.stream_server", str(folder / "data")], core, folder))
        customers = Customers(gateway, 1)
        vehicle, place = customers.vehicles[0], urlsplit(gateway.url)
        _ask(gateway, "stream", vehicle, 1000, 0.0)  # from now on every number has four digits, every event one size
        _told(gateway)
        before = _memory(gateway)
        streams = Listeners([_stream(place.port or 0, customers.token, vehicle) for _ in range(STREAMS)])
        stack.callback(streams.close)
        streams.drain()
        memory = (_memory(gateway) - before) / STREAMS
        bare = Listeners(connected(int(gateway.said["bare"]), STREAMS))
        stack.callback(bare.close)
        pairs = []
        _ask(gateway, "stream", vehicle, 1, 0.0)
        size, _ = streams.hear(1)
        _told(gateway)
        for _ in range(ROUNDS + 1):
            ours, _ = _round(gateway, "stream", vehicle, streams, PAUSE, size)
            plain, _ = _round(gateway, "bare", vehicle, bare, PAUSE, size)
            pairs.append((ours, plain))
        pairs = pairs[1:]
        ours, plain = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        pause = 2 * ours * STREAMS
        late: list[float] = []
        plain_late: list[float] = []
        for _ in range(3):
            late += _round(gateway, "stream", vehicle, streams, pause, size)[1]
            plain_late += _round(gateway, "bare", vehicle, bare, pause, size)[1]
        p99, plain_p99 = (sorted(each)[int(len(each) * 0.99)] for each in (late, plain_late))
        broker = _mosquitto(folder, core, size)
        detail: dict[str, object] = {
            "ours_us": round(ours * 1e6, 2),
            "send_us": round(plain * 1e6, 2),
            "bytes": size,
            "rounds": ROUNDS,
        }
    ratio = statistics.median(one / other for one, other in pairs)
    yield Figure(f"{NAME}: CPU / socket.send", GROUP, ratio, "x", goal=4, detail=detail)
    told: dict[str, object] = {
        "p99_ms": round(p99 * 1e3, 2),
        "median_ms": round(statistics.median(late) * 1e3, 2),
        "send_p99_ms": round(plain_p99 * 1e3, 2),
        "send_median_ms": round(statistics.median(plain_late) * 1e3, 2),
    }
    yield Figure(f"{NAME}: last one, p99 / ({STREAMS} sends)", GROUP, p99 / (plain * STREAMS), "x", goal=3, detail=told)
    yield Figure(f"{NAME}: memory of a stream", GROUP, memory / 1024, "KiB", goal=60)
    if broker is None:
        yield Figure(f"{NAME}: Mosquitto", GROUP, 0, "absent", detail={"absent": "mosquitto is not installed"})
    else:
        yield Figure(
            f"{NAME}: Mosquitto / socket.send", GROUP, broker / plain, "x", detail={"us": round(broker * 1e6, 2)}
        )


def _round(
    gateway: Served, do: str, vehicle: str, listeners: Listeners, pause: float, size: int
) -> tuple[float, list[float]]:
    """Seconds of processor time for one event to one listener; seconds until the last one had each."""
    before = gateway.cpu()
    _ask(gateway, do, vehicle, EVENTS, pause)
    _, ends = listeners.hear(EVENTS, size)
    began = _told(gateway)
    spent = gateway.cpu() - before
    return spent / (EVENTS * len(listeners)), [end - start for start, end in zip(began, ends, strict=True)]


def _ask(gateway: Served, do: str, vehicle: str, events: int, pause: float) -> None:
    assert gateway.process.stdin is not None
    gateway.process.stdin.write(json.dumps({"do": do, "events": events, "seconds": pause, "vehicle": vehicle}) + "\n")
    gateway.process.stdin.flush()


def _told(gateway: Served) -> list[float]:
    """When each event was begun."""
    assert gateway.process.stdout is not None
    began: list[float] = json.loads(gateway.process.stdout.readline())["began"]
    return began


def _memory(gateway: Served) -> int:
    """Bytes of its own that the process has in memory."""
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _stream(port: int, token: str, vehicle: str) -> socket.socket:
    """A stream that has been sent its snapshot."""
    made = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    key = b64encode(os.urandom(16)).decode()
    made.sendall(
        f"GET /v1/stream HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: keygw.v1\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    seen = made.recv(1 << 16)
    for message in ({"type": "hello", "version": 1}, {"type": "subscribe", "vehicles": [vehicle]}):
        text = json.dumps(message).encode()
        made.sendall(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)  # masked with zeros
    while b'"type":"snapshot"' not in seen:
        part = made.recv(1 << 16)
        if not part:
            raise RuntimeError(f"no stream: {seen[-500:]!r}")
        seen += part
    return made


def _mosquitto(folder: Path, core: int, size: int) -> float | None:
    """Seconds of the broker's processor time for one message to one subscriber."""
    if MOSQUITTO is None:
        return None
    with _broker(folder, core) as (pid, port):
        subscribers = []
        for number in range(STREAMS):
            made = _mqtt(port, f"s{number}")
            made.sendall(_packet(0x82, struct.pack("!HH", 1, 1) + b"t\x00"))
            made.recv(5)
            subscribers.append(made)
        listeners, publisher = Listeners(subscribers), _mqtt(port, "p")
        message = _packet(0x30, struct.pack("!H", 1) + b"t" + bytes(size - 6))
        found = []
        for _ in range(ROUNDS + 1):
            before = cpu_of(pid)
            publisher.sendall(message * EVENTS)
            listeners.hear(EVENTS, len(message))
            found.append((cpu_of(pid) - before) / (EVENTS * STREAMS))
        listeners.close()
        publisher.close()
    return statistics.median(found[1:])


@contextmanager
def _broker(folder: Path, core: int) -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n")
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=log, stdout=log)
    try:
        os.sched_setaffinity(process.pid, {core})
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def _mqtt(port: int, name: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    made.sendall(_packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(name)) + name.encode()))
    if made.recv(4)[3:] != b"\x00":
        raise RuntimeError("the broker refuses")
    return made


def _packet(kind: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body
