"""Webhooks of a real gateway, caught by a receiver of our own: for those who judge their signatures."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from scene import client, command


@dataclass
class Caught:
    """``secret``: what had signed it first when it came; ``former``: what signs beside it."""

    headers: dict[str, str]
    body: str
    secret: str
    former: str | None = None


@contextmanager
def _receiving() -> Iterator[tuple[str, queue.Queue[tuple[dict[str, str], str]]]]:
    came: queue.Queue[tuple[dict[str, str], str]] = queue.Queue()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            came.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def catch() -> list[Caught]:
    """A ping, what three commands bring, and what one more brings after the secret was rotated."""
    caught: list[Caught] = []
    with client() as http, _receiving() as (url, came):
        made = _ask(http, "/v1/webhooks", {"url": url})
        secret, path = made["secret"], f"/v1/webhooks/{made['webhook']['id']}"
        _ask(http, f"{path}:ping")
        former = None
        for action in ("unlock", "lock", "open_trunk", "rotate", "unlock"):
            if action == "rotate":
                former, secret = secret, _ask(http, f"{path}:rotate", {})["secret"]
                continue
            done = command(http, action)
            while True:
                headers, body = came.get(timeout=20)
                caught.append(Caught(headers, body, secret, former))
                if done["id"] in body and '"confirmed"' in body:
                    break
    return caught


def _ask(http: httpx.Client, path: str, body: Any = None) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told
