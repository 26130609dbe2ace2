"""The server's TLS: its certificate, read at the start and again on SIGHUP."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from keygw.app.load import BadSetting
from keygw.app.settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 and 1.3 with Python's own choice of ciphers; ``None`` where no certificate is set.

    ``BadSetting`` tls_unusable.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings.tls_cert, settings.tls_key)
    return context


def load_certificate(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """For connections from now on; those that stand keep theirs. ``BadSetting`` tls_unusable, and nothing changed."""
    try:
        if os.name == "posix" and key.stat().st_mode & 0o007:
            raise BadSetting(f"others on this machine can read {key}: chmod 640 {key}", code="tls_unusable")
        # A trial first: a chain that loads with a key that does not fit would leave the context in between.
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), cert, key)
        _load(context, cert, key)
    except ssl.SSLError as error:
        raise BadSetting(
            f"{cert} and {key} are not a certificate chain and its private key, without a passphrase: "
            f"{error.reason or 'not PEM'}",
            code="tls_unusable",
        ) from error
    except OSError as error:
        raise BadSetting(f"{error.filename or cert} cannot be read: {error.strerror}", code="tls_unusable") from error


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    # An encrypted key must be an error; without this, OpenSSL would ask on the terminal.
    context.load_cert_chain(cert, key, password=lambda: b"")
