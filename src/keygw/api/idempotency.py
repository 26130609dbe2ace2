"""``Idempotency-Key`` where it is welcome: the same request under the same key is carried out once."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from keygw.api.strict import parse
from keygw.credentials.once import Once

REPLAYED = "Idempotent-Replayed"


async def _once(
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key with the same request is carried out once, and answered again for 24 hours",
        ),
    ] = None,
) -> Once | None:
    """``None`` without the header. What may differ between two sendings of one request is its spacing alone."""
    if idempotency_key is None:
        return None
    body = await request.body()
    meant = json.dumps(parse(body), sort_keys=True).encode() if body else b""
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    status = request.scope["route"].status_code or 200

    def replayed() -> None:
        response.headers[REPLAYED] = "true"

    # The route has asked who calls before: ``Caller`` stands in front of ``Repeatable``.
    return Once(request.state.caller.id, idempotency_key, sha256(said + meant).digest(), status, replayed)


Repeatable = Annotated[Once | None, Depends(_once)]
"""Of a route that makes or changes something, behind its ``Caller``: give it on to the bridge."""
