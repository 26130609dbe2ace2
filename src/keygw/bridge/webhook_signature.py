"""How a delivery shows where it comes from: the Standard Webhooks specification (https://www.standardwebhooks.com),
symmetric signatures, version ``v1``.

What is signed is ``id.timestamp.body``, with HMAC-SHA-256. Neither id nor timestamp holds a full stop, so one text has
one reading.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from keygw.crypto.kdf import hmac256
from keygw.model.ids import Random

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret starts with, so that secret scanners find leaked ones
SECRET_BYTES = 32
"""The specification takes 24 to 64."""


def new_secret(random: Random) -> bytes:
    return random(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """As its owner sees it once, and as the libraries of the specification take it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode("ascii")


def message_id(event_id: str) -> str:
    """``webhook-id`` of a recorded event (``outbox_ports.Told.event_id``): the same whenever it is sent."""
    return f"msg_{event_id.replace('.', '_')}"


def signed_headers(secrets: Sequence[bytes], message: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers. ``secrets``: one signature for each, the newest first; ``at``: Unix seconds, of this attempt.

    ``ValueError`` for an id that would be read in two ways."""
    if not message.isascii() or not message.isprintable() or any(sign in message for sign in ". "):
        raise ValueError("the id of a message is one word without a full stop")
    content = f"{message}.{at:d}.".encode("ascii") + body
    signatures = (base64.b64encode(hmac256(secret, content)).decode("ascii") for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": f"{at:d}",
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
