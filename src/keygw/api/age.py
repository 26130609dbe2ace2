"""How old things are: what of the API is deprecated, and which clients are too old for this gateway.

A route that is to go is one row of ``DEPRECATED``: from it come the headers of its answers (``Deprecation``, RFC 9745;
``Sunset``, RFC 8594; ``Link`` with the relation ``deprecation``), ``deprecated`` in the OpenAPI document, and its entry
in ``/.well-known/keygw``. A client says what it is in ``Keygw-Client: name/version``, or as the first product of its
User-Agent (RFC 9110, section 10.1.5), and is refused with ``client_too_old`` below the version that the deployment
wants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from types import MappingProxyType

from starlette.datastructures import Headers

from keygw.model.errors import Forbidden

HEADER = "Keygw-Client"

_PRODUCT = re.compile(
    r"([a-z0-9][a-z0-9._-]{0,39})/(\d{1,6}(?:\.\d{1,6}){0,3})(-[a-z0-9.-]{1,20})?", re.ASCII | re.IGNORECASE
)

Version = tuple[tuple[int, ...], bool]
"""Its numbers, four of them; and whether it is a release: what leads up to one comes before it."""


@dataclass(frozen=True, slots=True)
class Deprecated:
    """``since``, ``sunset``: Unix seconds; after the latter it may be gone. ``link``: where it is said what to do."""

    since: int
    link: str
    sunset: int | None = None

    def headers(self) -> dict[str, str]:
        links = [f'<{self.link}>; rel="deprecation"; type="text/html"']
        told = {"Deprecation": f"@{self.since}"}
        if self.sunset is not None:
            told["Sunset"] = formatdate(self.sunset, usegmt=True)
            links.append(f'<{self.link}>; rel="sunset"; type="text/html"')
        return {**told, "Link": ", ".join(links)}


DEPRECATED: Mapping[str, Deprecated] = MappingProxyType({})
"""By module and function of the route, as ``api.permissions`` has them."""


class ClientTooOld(Forbidden):
    """The deployment takes newer versions of this client alone."""

    code = "client_too_old"


@dataclass(frozen=True, slots=True)
class Client:
    """``name`` in small letters. ``text``: the version as it was written."""

    name: str
    text: str
    version: Version


def parse_client(text: str) -> Client:
    """``name/version``, such as ``garage/2.1.0`` or ``garage/2.2-beta.1``. ``ValueError``."""
    found = _PRODUCT.fullmatch(text)
    if found is None:
        raise ValueError("a client is written name/version, such as garage/2.1.0")
    name, numbers, before = found.groups()
    version = tuple(int(each) for each in numbers.split("."))
    return Client(name.lower(), numbers + (before or ""), ((*version, 0, 0, 0)[:4], before is None))


class Clients:
    """``minimum``: each of a client the oldest version that is served. Who does not say what it is, is served."""

    def __init__(self, minimum: Iterable[str] = ()) -> None:
        self._minimum = {client.name: client for client in map(parse_client, minimum)}

    def told(self) -> dict[str, str]:
        """For ``/.well-known/keygw``: name -> version."""
        return {name: self._minimum[name].text for name in sorted(self._minimum)}

    def check(self, headers: Headers) -> None:
        """``ClientTooOld``. What cannot be read says nothing: this keeps honest clients from going wrong, and thieves
        from nothing."""
        if not self._minimum:
            return
        said = headers.get(HEADER) or headers.get("User-Agent", "").partition(" ")[0]
        try:
            client = parse_client(said)
        except ValueError:
            return
        wanted = self._minimum.get(client.name)
        if wanted is not None and client.version < wanted.version:
            raise ClientTooOld(
                f"{client.name} {client.text} is too old for this gateway, which takes {wanted.text} and newer: update "
                "the app; /.well-known/keygw has what is taken"
            )
