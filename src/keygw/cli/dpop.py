"""``keygw dpop``: a proof for one request, for curl and for whoever builds a client of the authorization server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keygw.cli import output
from keygw.cli.options import Json

LONGEST = 8192
MOST_NONCE = 128


def dpop(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Of the request: GET, POST and so on.")],
    url: Annotated[str, typer.Argument(metavar="REQUEST", help="Its URL, as the gateway calls itself.")],
    key: Annotated[
        Path,
        typer.Option(
            "--key", metavar="FILE", help="The private key (PEM); made there, for its owner alone, if missing."
        ),
    ] = Path("dpop.key"),
    nonce: Annotated[
        str | None, typer.Option("--nonce", metavar="TEXT", help="The newest DPoP-Nonce that the gateway has sent.")
    ] = None,
    access_token_file: Annotated[
        Path | None,
        typer.Option(
            "--access-token-file",
            metavar="FILE",
            help="The access token that goes with the request; - reads it from standard input. Never an argument: "
            "others see those.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a DPoP proof (RFC 9449) for one request. Each proof is good once.

    As in: curl -H "DPoP: $(keygw dpop POST https://keys.example/oauth2/token --nonce ...)" ...
    """
    import secrets
    import time

    from keygw.cli.exits import Exit
    from keygw.cli.failure import Failure, usage
    from keygw.crypto.errors import CryptoError
    from keygw.crypto.signer import LocalSigner
    from keygw.store.keyfile import load_or_create_secret
    from keygw.token.dpop import make_proof, thumbprint_of

    if not key.parent.is_dir():
        raise Failure(Exit.ENVIRONMENT, "not_writable", f"there is no folder {key.parent}", "make it, or name another")
    token = None if access_token_file is None else _token(access_token_file)
    try:
        signer = LocalSigner.from_pem(load_or_create_secret(key, LocalSigner.generate().to_pem))
    except CryptoError as error:
        raise Failure(
            Exit.ENVIRONMENT, "key_file_damaged", f"{key} holds no P-256 private key", "name another file"
        ) from error
    if not method.isascii() or not method.isalpha() or len(method) > 20:
        raise usage("bad_input", f"{method[:20]!r} is no method of HTTP", "as in: keygw dpop POST URL")
    if nonce is not None and not (nonce.isascii() and nonce.isprintable() and 0 < len(nonce) <= MOST_NONCE):
        raise usage("bad_input", "that is no nonce", "take the DPoP-Nonce header of the gateway's last answer")
    try:
        jti = secrets.token_urlsafe(16)
        proof = make_proof(signer, method.upper(), url, now=time.time(), jti=jti, nonce=nonce, access_token=token)
    except ValueError as error:
        raise usage(
            "bad_url", f"{url[:100]!r} is no http(s) URL", "give the address of the request, with its path"
        ) from error
    if as_json:
        output.document({"proof": proof, "thumbprint": thumbprint_of(signer.public_key)})
    else:
        output.say(proof)


def _token(path: Path) -> str:
    import sys

    from keygw.cli.exits import Exit
    from keygw.cli.failure import Failure

    try:
        if str(path) == "-":
            text = sys.stdin.read(LONGEST + 1)
        else:
            with path.open(encoding="ascii") as file:
                text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            Exit.ENVIRONMENT, "unreadable", f"{path} cannot be read as a token", "name the file that holds it"
        ) from error
    if not text.strip() or len(text) > LONGEST:
        raise Failure(Exit.USAGE, "bad_input", f"{path} holds no access token", "give what /oauth2/token answered")
    return text.strip()
