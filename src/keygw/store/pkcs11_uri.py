"""The name of a key in an HSM: a PKCS#11 URI (RFC 7512), without the parts that are secrets or code.

``pkcs11:token=keygw;object=issuer``. Which module is loaded and with which PIN is the configuration's business: a URI
is stored, listed and sent over HTTP, so one with a query (``pin-value``, ``pin-source``, ``module-path``, ...) is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes

from keygw.model.errors import BadInput

SCHEME = "pkcs11:"
_LIMIT = 512
_KNOWN = ("token", "serial", "manufacturer", "model", "object", "id", "type")
_PART = re.compile(r"([a-z][a-z0-9-]*)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=&/-]|%[0-9A-Fa-f]{2})*)", re.ASCII)
_PLAIN = "._~-"


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Which token, and which key in it. ``None``: any. ``object`` is CKA_LABEL, ``id`` is CKA_ID."""

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> Pkcs11Uri:
        """``BadInput`` bad_signer unless it is a PKCS#11 URI that names a token and nothing secret."""
        if not text.startswith(SCHEME) or len(text) > _LIMIT:
            raise _bad(f"a PKCS#11 URI begins with {SCHEME} and has at most {_LIMIT} characters")
        path, question, _ = text.removeprefix(SCHEME).partition("?")
        if question:
            raise _bad("module and PIN belong into the configuration, not into the URI: leave the part after ? out")
        found: dict[str, bytes] = {}
        for part in path.split(";"):
            match = _PART.fullmatch(part)
            if match is None or match[1] not in _KNOWN:
                raise _bad(f"of a PKCS#11 URI these parts are understood: {', '.join(_KNOWN)}")
            if match[1] in found:
                raise _bad(f"the part {match[1]} stands there twice")
            found[match[1]] = unquote_to_bytes(match[2])
        if found.pop("type", b"private") != b"private":
            raise _bad("only a private key can sign: type=private, or leave it out")
        key_id = found.pop("id", None)
        try:
            words = {name: value.decode("utf-8") for name, value in found.items()}
        except UnicodeDecodeError as error:
            raise _bad("only id may hold bytes that are not UTF-8") from error
        if not ({"token", "serial"} & words.keys()):
            raise _bad("name the token, by token= or serial=")
        return cls(id=key_id, **words)

    @property
    def names_a_key(self) -> bool:
        return self.object is not None or self.id is not None

    def with_object(self, label: str) -> Pkcs11Uri:
        return replace(self, object=label)

    def __str__(self) -> str:
        """The one spelling of it."""
        words = (self.token, self.serial, self.manufacturer, self.model, self.object)
        parts = [f"{name}={quote(word, safe=_PLAIN)}" for name, word in zip(_KNOWN, words, strict=False) if word]
        if self.id is not None:
            parts.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        return SCHEME + ";".join(parts)


def _bad(why: str) -> BadInput:
    return BadInput(why, code="bad_signer")
