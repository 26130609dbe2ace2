"""Where the issuer's private keys are kept: PEM files in the data directory, or an HSM (``credentials.issuer_ports``).

A reference tells the place and nothing secret: ``file:issuer.pem`` or a PKCS#11 URI. The key of ordinal n is called
``issuer-n.pem``, or ``NAME-n`` in the HSM (the first: ``issuer.pem``, ``NAME``), so a key that was made just before a
crash is found again, and not a second one made.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keygw.crypto.signer import Signer
from keygw.model.errors import BadInput, SignerError, StoreError
from keygw.store.keyfile import load_or_create_issuer_key
from keygw.store.pkcs11_uri import SCHEME, Pkcs11Uri

if TYPE_CHECKING:
    from keygw.store.hsm import Hsm

FILE = "file:"
IN_FILES = "file"
"""The place: PEM files in the data directory."""
_FILE_NAME = re.compile(r"issuer(-[0-9]{1,6})?\.pem", re.ASCII)


class SignerPlaces:
    """``place``: the configured one, ``file`` or a PKCS#11 URI with ``object=``. ``module``: of the HSM.

    ``may_create``: whether a first key may be made; not where tokens were signed before. ``BadInput`` bad_signer for a
    place that is none.
    """

    def __init__(
        self,
        directory: Path,
        *,
        place: str = IN_FILES,
        passphrase: bytes | None = None,
        module: Path | None = None,
        pin: Callable[[], str] | None = None,
        may_create: bool = True,
    ) -> None:
        self._directory = directory
        self._place = place
        self._passphrase = passphrase
        self._module = module
        self._pin = pin
        self._may_create = may_create
        self._hsm: Hsm | None = None
        self._named(place, 1)

    async def make(self, place: str | None, ordinal: int) -> tuple[str, Signer]:
        reference = self._named(place or self._place, ordinal, exact=place is not None)
        may_create = ordinal > 1 or self._may_create
        return reference, await asyncio.to_thread(self._open, reference, may_create)

    async def open(self, reference: str) -> Signer:
        return await asyncio.to_thread(self._open, reference, False)

    def close(self) -> None:
        if self._hsm is not None:
            self._hsm.close()

    def _named(self, place: str, ordinal: int, *, exact: bool = False) -> str:
        suffix = "" if ordinal == 1 else f"-{ordinal}"
        if place == IN_FILES:
            return f"{FILE}issuer{suffix}.pem"
        if not place.startswith(SCHEME):
            raise BadInput(f"{place[:40]!r} is no place for keys: file, or pkcs11:token=...", code="bad_signer")
        uri = Pkcs11Uri.parse(place)
        if uri.object is None and (uri.id is None or not exact):
            raise BadInput("give the key a name of its own: object=", code="bad_signer")
        return str(uri if exact or uri.object is None else uri.with_object(uri.object + suffix))

    def _open(self, reference: str, may_create: bool) -> Signer:
        name = reference.removeprefix(FILE)
        if _FILE_NAME.fullmatch(name):
            return load_or_create_issuer_key(self._directory / name, self._passphrase, may_create=may_create)
        try:
            uri = Pkcs11Uri.parse(reference)
        except BadInput as error:
            raise StoreError(f"{reference[:40]!r} is no reference to a key", code="store_unavailable") from error
        hsm = self._opened_hsm()
        return hsm.open_or_generate(uri) if may_create else hsm.open(uri)

    def _opened_hsm(self) -> Hsm:
        if self._module is None or self._pin is None:
            raise SignerError(
                "no PKCS#11 module is configured: set KEYGW_HSM_MODULE and a PIN", code="hsm_module_missing"
            )
        if self._hsm is None:
            try:
                from keygw.store.hsm import Hsm  # noqa: PLC0415 - the extra may not be installed
            except ImportError as error:
                raise SignerError(
                    "keys in an HSM need python-pkcs11: pip install 'keygw[hsm]'", code="hsm_module_missing"
                ) from error
            self._hsm = Hsm(self._module, self._pin)
        return self._hsm
