"""The server of ``bench_streams``: a whole gateway, and beside it bare sockets that are sent the same bytes.

Says where in one line of JSON, then takes commands, a line of JSON each, and answers each with one: ``{"do": "stream",
"events", "seconds"}`` publishes events that far apart and answers when each was begun (``time.monotonic``); ``"bare"``
sends the frame of the last one to every bare socket as often. Ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path

from keygw.api.streams.fanout import Fanout
from keygw.app.gateway import Gateway, gateway
from keygw.app.listen import address, listen, loop_factory
from keygw.app.logs import log_to_stderr
from keygw.app.server import Server, api_config
from keygw.app.settings import Settings
from keygw.bridge.present import signal_json
from keygw.events.event import Event
from keygw.model.signal import Quality, Signal, SignalId


class Bench:
    def __init__(self, running: Gateway, bare: socket.socket) -> None:
        self._running = running
        self._listener = bare
        self._bare: list[socket.socket] = []
        self._frame = b""

    async def accept(self) -> None:
        while True:
            accepted, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._bare.append(accepted)

    async def run(self, do: str, events: int, seconds: float, vehicle: str) -> list[float]:
        began, event = [], None
        for number in range(events):
            began.append(time.monotonic())
            if do == "stream":
                event = self._publish(vehicle, number)
            else:
                for each in self._bare:
                    each.send(self._frame)
            await asyncio.sleep(seconds)
        if event is not None:
            self._frame = Fanout().frame(event)
        return began

    def _publish(self, vehicle: str, number: int) -> Event:
        """As ``Feed`` does for a signal."""
        now = time.time()
        signal = Signal(SignalId.SPEED, 100.0 + number % 100, now, now)
        data = {"vehicle_id": vehicle, **signal_json(signal, Quality.LIVE, 300.0)}
        return self._running.hub.publish("keygw.signal.changed", vehicle, data, coalesce=f"{vehicle}/{signal.path}")


async def serve(data: Path) -> None:
    with listen("127.0.0.1", 0) as listener, listen("127.0.0.1", 0) as bare:
        bare.setblocking(False)
        url = address(listener, "http")
        settings = Settings(data=data, radio="none")
        log_to_stderr(settings)
        async with gateway(settings, url) as running:
            ready = asyncio.Event()
            config = api_config(running.http, None)
            config.ws_ping_interval = None  # who listens only counts bytes
            server = Server(config, on_ready=ready.set, on_stop=running.hub.close)
            task = asyncio.create_task(server._serve([listener]))
            await ready.wait()
            bench = Bench(running, bare)
            accepting = asyncio.create_task(bench.accept())
            say({"url": url, "bare": bare.getsockname()[1], "operator_token_file": str(running.operator_token_file)})
            try:
                while line := await asyncio.to_thread(sys.stdin.readline):
                    asked = json.loads(line)
                    say({"began": await bench.run(asked["do"], asked["events"], asked["seconds"], asked["vehicle"])})
            finally:
                accepting.cancel()
                server.should_exit = server.force_exit = True
                await asyncio.gather(task, accepting, return_exceptions=True)


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(Path(sys.argv[1])))
