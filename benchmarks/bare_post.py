"""The least that FastAPI does for an issue: ``python -m benchmarks.bare_post`` serves it until its stdin ends.

Body and answer are validated by the very models of ``POST /v1/vehicles/{id}/keys:batch``; between them is nothing. The
server is uvicorn on uvloop with httptools, as the gateway's.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
from typing import Any

import uvicorn
from fastapi import FastAPI

from keygw.api.models import KeysIssued
from keygw.api.routes.vehicles import NewKeys

_KEY = {
    "id": "key_mfrggzdfmztwq2lk",
    "vehicle_id": "veh_mfrggzdfmztwq2lk",
    "device_id": "dev_mfrggzdfmztwq2lk",
    "role": "owner",
    "label": "",
    "entitlements": ["door.lock", "door.unlock", "trunk.open", "engine.start", "key.share"],
    "state": "active",
    "index": 1,
    "parent_id": None,
    "not_before": "2026-01-01T00:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
}

app = FastAPI()


@app.post("/v1/vehicles/{vehicle_id}/keys:batch", status_code=201, response_model=KeysIssued)
async def issue(vehicle_id: str, body: NewKeys) -> dict[str, Any]:
    return {"keys": [{**_KEY, "vehicle_id": vehicle_id} for _ in body.keys]}


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none"))

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
