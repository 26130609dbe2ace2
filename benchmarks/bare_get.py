"""The least that FastAPI does for a GET: ``python -m benchmarks.bare_get FILE`` serves it until its stdin ends.

``/model``: through the response model of ``GET /v1/vehicles/{id}/signals``, which validates it; ``/bytes``: as it is.
The server is uvicorn on uvloop with httptools, as the gateway's.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from keygw.api.models import Signals


def bare(content: bytes) -> FastAPI:
    app, told = FastAPI(), json.loads(content)

    @app.get("/model", response_model=Signals, response_model_exclude_unset=True)
    async def model() -> dict[str, Any]:
        return dict(told)

    @app.get("/bytes")
    async def same_bytes() -> Response:
        return Response(content, media_type="application/json")

    return app


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        bare(Path(sys.argv[1]).read_bytes()), log_config=None, access_log=False, server_header=False, ws="none"
    )
    server = uvicorn.Server(config)

    def follow_stdin() -> None:
        while os.read(0, 4096):
            pass
        server.should_exit = True

    gc.collect()
    gc.freeze()  # as the gateway does
    threading.Thread(target=follow_stdin, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
