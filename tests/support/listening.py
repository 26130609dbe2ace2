"""The API on a real socket: uvicorn as the gateway runs it, on loopback, in the process of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from keygw.api.factory import create_api
from keygw.api.services import Services
from keygw.api.streams.wire import ws_options


@asynccontextmanager
async def listening(services: Services, ping: float = 20.0) -> AsyncIterator[str]:
    """Its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            create_api(services), log_config=None, lifespan="off", timeout_graceful_shutdown=2, **ws_options(ping)
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        await server.on_tick(0)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # What uvicorn's own shutdown does, without its pauses.
            services.hub.close()
            for each in server.servers:
                each.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
