"""What a browser does at the authorization endpoint, without one."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import urlencode

from keygw.model.base64url import encode_base64url

VERIFIER = "v" * 43
CHALLENGE = encode_base64url(sha256(VERIFIER.encode()).digest())


def authorization(client_id: str, redirect_uri: str, /, **changes: str | None) -> str:
    """The query of a good request; ``changes``: other parameters, ``None`` for one that is left out."""
    said = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return urlencode({name: value for name, value in said.items() if value is not None})


def options_of(page: str) -> dict[str, Any]:
    """What the page asks a passkey for."""
    found = re.search(r'data-options="([^"]*)"', page)
    assert found is not None, page
    return dict(json.loads(unescape(found[1])))
