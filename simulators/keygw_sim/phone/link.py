"""What a phone does with the link of an invitation: over HTTP, with no token, the secret in the body alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import BadInput
from keygw_sim.phone.phone import Invitation, Phone

TIMEOUT = httpx.Timeout(10.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Link:
    """``https://gateway/i/ID#SECRET``, taken apart. ``base``: the address of the gateway."""

    base: str
    invitation_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Link:
        """``BadInput`` if it is no such link."""
        try:
            parts = urlsplit(text)
            base, _, name = parts.path.rpartition("/i/")
            secret = decode_base64url(parts.fragment)
        except ValueError as error:
            raise BadInput("not the link of an invitation", code="bad_link") from error
        if parts.scheme not in ("http", "https") or not parts.netloc or not name or not secret:
            raise BadInput("not the link of an invitation", code="bad_link")
        return cls(f"{parts.scheme}://{parts.netloc}{base}", name, secret)


async def claim(phone: Phone, text: str, code: str | None = None) -> dict[str, Any]:
    """Claim it for this phone and take in the key, if there is one yet; again later for the newest token.

    ``{"state", "key_id"}``; ``BadInput`` with the gateway's code if it refuses.
    """
    link = Link.parse(text)
    body = {
        "secret": encode_base64url(link.secret),
        "public_key": encode_base64url(phone.public_key),
        "proof": encode_base64url(phone.prove(link.invitation_id, link.secret)),
    }
    if code is not None:
        body["activation_code"] = code
    try:
        async with httpx.AsyncClient(base_url=link.base, timeout=TIMEOUT) as http:
            response = await http.post(f"/v1/invitations/{link.invitation_id}:claim", json=body)
        answer: dict[str, Any] = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise BadInput(f"the gateway of the link does not answer: {type(error).__name__}", code="no_gateway") from error
    if not response.is_success:
        raise BadInput(f"{answer.get('code')}: {answer.get('detail')}", code=str(answer.get("code")))
    key_id = None if answer["key"] is None else str(answer["key"]["id"])
    if key_id is not None:
        phone.accept(Invitation.from_json({"key_id": key_id, **answer["token"]}))
    return {"state": answer["invitation"]["state"], "key_id": key_id}
