"""Where a command sends its requests, and with which bearer token. A token never goes where it could be overheard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from keygw.app.addresses import gateway_url, is_loopback
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.places import OPERATOR_TOKEN, data_dir, default_url

_TOKEN_LIMIT = 4096
_HOW = "set KEYGW_TOKEN, or give a file with --token-file; the operator registers an app with: keygw apps add"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``token`` is out of the repr, so that no traceback shows it. ``source``: where it came from, for messages."""

    url: str
    local: bool
    token: str = field(repr=False)
    source: str


def endpoint(url: str | None, token_file: Path | None, data: Path | None, env: Mapping[str, str]) -> Endpoint:
    """``Failure``: bad_url, clear_text, no_token, bad_token_file."""
    address = checked_url(url or default_url(env))
    local = is_loopback(urlsplit(address).hostname or "")
    if not local and address.startswith("http:") and env.get("KEYGW_UNSAFE_CLEARTEXT") != "1":
        raise usage(
            "clear_text",
            f"over {address} the token could be read on the way",
            "use https://, or a tunnel to the gateway's loopback port; KEYGW_UNSAFE_CLEARTEXT=1 sends it all the same",
        )
    if token_file is not None:
        return Endpoint(address, local, read_token(token_file), str(token_file))
    if token := env.get("KEYGW_TOKEN", "").strip():
        return Endpoint(address, local, checked_token(token, "KEYGW_TOKEN"), "KEYGW_TOKEN")
    if not local:
        # The operator's token of this machine is no business of another one.
        raise Failure(Exit.NOT_AUTHORISED, "no_token", f"no token for {address}", _HOW)
    operator = data_dir(data, env) / OPERATOR_TOKEN
    if not _is_file(operator):
        raise Failure(
            Exit.NOT_AUTHORISED,
            "no_token",
            f"no token: neither --token-file nor KEYGW_TOKEN, and no {operator}",
            f"start the gateway with: keygw serve (its first start makes that file); if its data is elsewhere, "
            f"set KEYGW_DATA; or {_HOW}",
        )
    return Endpoint(address, local, read_token(operator), str(operator))


def checked_url(text: str) -> str:
    """``http(s)://host[:port][/path]`` without a slash at its end."""
    try:
        return gateway_url(text)
    except ValueError as error:
        raise usage("bad_url", str(error), "tokens go into KEYGW_TOKEN or a --token-file, never into it") from None


def read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_TOKEN_LIMIT + 1)
    except OSError as error:
        raise Failure(
            Exit.NOT_AUTHORISED,
            "bad_token_file",
            f"the token file {path} cannot be read: {error.strerror}",
            "run this as the user who runs the gateway, or register an app of your own: keygw apps add",
        ) from error
    return checked_token(text.decode("ascii", "replace").strip(), str(path))


def checked_token(token: str, source: str) -> str:
    """One word of visible ASCII, so that nothing else can slip into the header."""
    if not token or len(token) > _TOKEN_LIMIT or not all("!" <= letter <= "~" for letter in token):
        raise Failure(Exit.NOT_AUTHORISED, "bad_token_file", f"{source} does not hold one bearer token", _HOW)
    return token


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # There is something that we may not look at; reading it says what.
