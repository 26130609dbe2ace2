"""Logs: their forms, the id of the request in every line, and nothing in them that looks like a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from keygw.app import logs
from keygw.app.logs import GONE, clean, redact
from keygw.app.settings import Settings
from keygw.bridge.apps import new_token
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url

Told = Callable[[str], io.StringIO]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """``told(format)``: what is logged from then on, at level debug."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    config = structlog.get_config()

    def begin(form: str) -> io.StringIO:
        out = io.StringIO()
        monkeypatch.setattr("sys.stderr", out)
        logs.log_to_stderr(Settings(data=Path("x"), log_level="debug", log_format=form))  # type: ignore[arg-type]
        return out

    yield begin
    root.handlers[:] = before
    root.setLevel(level)
    structlog.configure(**config)


def test_one_line_a_record_of_ours_and_of_libraries(told: Told) -> None:
    out = told("json")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("a").info("here", number=1, raw=b"123")
        logging.getLogger("lib").warning("there: %s", "kgw_" + "A" * 43)
    first, second = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (first["event"], first["number"], first["raw"], first["request_id"]) == ("here", 1, "<3 bytes>", "r-1")
    assert (second["event"], second["logger"], second["request_id"]) == (f"there: kgw_{GONE}", "lib", "r-1")
    assert first["level"] == "info"
    assert second["level"] == "warning"


def test_an_exception_is_named_and_its_words_are_not(told: Told) -> None:
    out = told("text")
    try:
        raise ValueError("the PIN is 4711")
    except ValueError:
        structlog.get_logger("a").exception("broke")
        logging.getLogger("lib").exception("broke too")
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "error='ValueError'" in line
        assert "test_logs.py" in line
        assert "4711" not in line


PEM = LocalSigner.from_secret(7).to_pem(None).decode()
SECRETS = [
    "kgw_" + "A" * 43,
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    encode_base64url(bytes(range(32))),
    bytes(range(16)).hex(),
    bytes(range(32)).hex().upper(),
    PEM.splitlines()[1],
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "token={};", '{{"a": "{}"}}', "Authorization: Bearer {}", "/v1/x/{}?a=b"])
def test_what_looks_like_a_secret_is_taken_out(secret: str, around: str) -> None:
    if "\n" not in secret and secret == PEM.splitlines()[1]:
        secret = PEM
    assert secret not in str(redact(None, "", {"event": around.format(secret), "deep": {"x": [secret]}}))


def test_what_has_the_name_of_a_secret_is_taken_out() -> None:
    names = ["token", "issuer_passphrase", "PASSWORD", "hsm_pin", "Authorization", "set_cookie", "client_secret"]
    event = redact(None, "", {**dict.fromkeys(names, "short"), "nested": dict.fromkeys(names, "short"), "event": "e"})
    assert "short" not in str(event)


def test_a_header_is_taken_out_whatever_its_kind() -> None:
    for text in ("Authorization: Basic dXNlcjpw", "bearer x", "authorization: DPoP abc.def"):
        assert clean(text).endswith(GONE)


@pytest.mark.parametrize(
    "text",
    [
        "veh_mfrggzdfmztwq2lk", "POST /v1/vehicles/{vehicle_id}/commands", "2026-11-22T20:00:00.123456Z",
        "list_acknowledged", "at lanes.py:81 _attempt > executor.py:9 _work", "d290f1ee-6c54-4b01-90e6-d701748f0851",
        "/var/lib/keygw/a-rather-long-name-of-a-directory/that-goes-on", "127.0.0.1", "urn:keygw:0011223344556677",
    ],
)  # fmt: skip
def test_what_an_operator_needs_stays(text: str) -> None:
    assert clean(text) == text


@given(st.binary(min_size=32, max_size=64).map(encode_base64url))
def test_no_random_token_survives(text: str) -> None:
    """Every bearer token, and every 32 bytes of base64url that hold a digit, as all but one of a thousand do."""
    token = new_token(lambda size: text.encode()[:size])
    assert token not in clean(f"x {token} y")
    if any(letter.isdigit() for letter in text) and text[0] not in "-_":
        assert text not in clean(f"x {text} y")


LEAVES = st.none() | st.text() | st.binary() | st.integers() | st.floats()


@given(st.recursive(LEAVES, lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_anything_can_be_cleaned(value: object) -> None:
    json.dumps(clean(value))


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "forged", ["x\n2026-01-01 [error    ] all is lost", "x\r\nfake=1", "x\x1b[2J", "x\u2028y", "x\x85y"]
)
def test_what_a_caller_sends_begins_no_line_of_its_own(told: Told, form: str, forged: str) -> None:
    """A path is decoded before it is logged: what was %0a in it must not look like another record."""
    out = told(form)
    structlog.get_logger("keygw.api.guard").info("request", path=f"/v1/keys/{forged}", client=forged)
    logging.getLogger("uvicorn.error").warning("from a library: %s", forged)
    lines = out.getvalue().rstrip("\n")
    assert len(lines.splitlines()) == 2, lines
    assert "\x1b[2J" not in lines
