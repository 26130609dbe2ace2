"""The frozen vectors of protocols/status_list: the draft's examples, our lists, and what must be refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from keygw.model.base64url import decode_base64url
from keygw.model.errors import TokenError
from keygw.token.jwt import decode_jwt
from keygw.token.status_list import StatusArray, check_status, compress, decompress, verify_status_list
from keygw.token.trust import IssuerKey, TrustedIssuers

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "protocols" / "status_list" / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


DRAFT = load("draft.json")["lists"]
LISTS = load("lists.json")
INVALID = load("invalid.json")
_ISSUER = json.loads((ROOT / "protocols/key_token/vectors/keys.json").read_text(encoding="utf-8"))["keys"]["issuer"]
TRUST = TrustedIssuers(
    [IssuerKey(_ISSUER["issuer"], bytes.fromhex(_ISSUER["kid"]), bytes.fromhex(_ISSUER["public_key"]))]
)


@pytest.mark.parametrize("row", DRAFT, ids=lambda row: row["name"])
def test_the_draft_s_examples_are_packed_and_read_as_it_says(row: dict[str, Any]) -> None:
    array = StatusArray(row["size"], row["bits"])
    for index, status in row["statuses"].items():
        array[int(index)] = status
    raw = decode_base64url(row["lst"])
    assert decompress(raw) == bytes(array) == decompress(compress(bytes(array)))
    read = StatusArray(row["size"], row["bits"], decompress(raw))
    assert {str(at): int(read[at]) for at in range(len(read)) if read[at]} == row["statuses"]


@pytest.mark.parametrize("row", LISTS["lists"], ids=lambda row: row["name"])
def test_a_list_gives_its_claims(row: dict[str, Any]) -> None:
    found = verify_status_list(row["signed"], TRUST, LISTS["uri"], LISTS["now"])
    claims = row["claims"]
    assert (found.issuer, found.uri) == (_ISSUER["issuer"], claims["sub"])
    assert (found.issued_at, found.expires_at, found.ttl) == (claims["iat"], claims["exp"], claims["ttl"])
    assert found.aggregation_uri == claims["status_list"]["aggregation_uri"]
    (draft,) = (each for each in DRAFT if each["lst"] == claims["status_list"]["lst"])
    assert bytes(found.statuses) == decompress(decode_base64url(draft["lst"]))


@pytest.mark.parametrize("row", LISTS["tokens"], ids=lambda row: row["name"])
def test_a_key_token_is_looked_up(row: dict[str, Any]) -> None:
    listed = verify_status_list(LISTS["lists"][0]["signed"], TRUST, LISTS["uri"], LISTS["now"])
    claims = decode_jwt(row["jwt"], TRUST)
    place = (None, None) if claims.status is None else (claims.status.index, claims.status.uri)
    assert place == (row["idx"], row["uri"])
    if row["code"] is None:
        check_status(claims, listed)
        return
    with pytest.raises(TokenError) as refusal:
        check_status(claims, listed)
    assert refusal.value.code == row["code"]


@pytest.mark.parametrize("case", INVALID["cases"], ids=lambda case: case["name"])
def test_an_invalid_list_is_refused_with_its_code(case: dict[str, str]) -> None:
    with pytest.raises(TokenError) as refusal:
        verify_status_list(case["data"], TRUST, INVALID["uri"], INVALID["now"])
    assert refusal.value.code == case["code"]


def test_a_list_is_refused_cut_anywhere_and_with_anything_behind() -> None:
    text = LISTS["lists"][0]["signed"]
    for end in range(len(text)):
        with pytest.raises(TokenError):
            verify_status_list(text[:end], TRUST, LISTS["uri"], LISTS["now"])
    for more in ("A", "=", ".", "\n"):
        with pytest.raises(TokenError):
            verify_status_list(text + more, TRUST, LISTS["uri"], LISTS["now"])


def test_the_script_makes_exactly_these_files() -> None:
    spec = importlib.util.spec_from_file_location("make_status_vectors", ROOT / "tools" / "make_status_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.documents()
    assert made == {path.name: path.read_text(encoding="utf-8") for path in VECTORS.glob("*.json")}
