"""The one error of this room."""

from __future__ import annotations

from keygw.model.errors import KeygwError


class CryptoError(KeygwError):
    """A signature, key, point, tag or encoding did not hold. The text never tells more than that."""

    code = "crypto_failed"
