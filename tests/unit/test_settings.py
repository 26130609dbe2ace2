"""Settings: which source wins, what is refused, and that a secret is never shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keygw.app.load import COMMAND_LINE, DEFAULT, BadSetting, Loaded, Sources, load, variables
from keygw.app.settings import Settings
from keygw.cli.main import main

Load = Callable[..., Loaded]


@pytest.fixture
def look(tmp_path: Path) -> Load:
    """``look(toml, environment, **given)``: with that file in the data directory and none of the system's."""

    def made(toml: str = "", environment: dict[str, str] | None = None, **given: Any) -> Loaded:
        if toml:
            (tmp_path / "keygw.toml").write_text(toml)
        return load(Sources(given, environment or {}, tmp_path, system=tmp_path / "nowhere.toml"))

    return made


def refused(code: str, *words: str, call: Callable[[], object]) -> None:
    with pytest.raises(BadSetting) as caught:
        call()
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)


def test_the_first_that_says_it_counts(look: Load, tmp_path: Path) -> None:
    toml = 'port = 1\nradio = "file"\nlog_level = "info"\ntrusted_proxies = ["10.0.0.0/8"]\n'
    loaded = look(toml, {"KEYGW_PORT": "2", "KEYGW_RADIO": "none", "KEYGW_LOG_FORMAT": ""}, port=3, host=None)
    settings = loaded.settings
    assert (settings.port, settings.radio, settings.log_level, settings.host) == (3, "none", "info", "127.0.0.1")
    assert settings.log_format == "text", "an empty variable says nothing"
    assert [str(each) for each in settings.proxies] == ["10.0.0.0/8"]
    file = str(tmp_path / "keygw.toml")
    assert [loaded.sources[name] for name in ("port", "radio", "log_level", "host")] == [
        COMMAND_LINE, "KEYGW_RADIO", file, DEFAULT,
    ]  # fmt: skip
    assert loaded.file == tmp_path / "keygw.toml"
    assert loaded.sources.keys() == Settings.model_fields.keys()


def test_one_file_is_read(look: Load, tmp_path: Path) -> None:
    named, system = tmp_path / "named.toml", tmp_path / "system.toml"
    named.write_text("port = 1")
    system.write_text(f"port = 2\ndata = '{tmp_path / 'elsewhere'}'")
    nowhere = tmp_path / "data"
    assert load(Sources({}, {}, nowhere, system=system)).settings.port == 2
    assert load(Sources({}, {}, nowhere, system=system)).settings.data == tmp_path / "elsewhere"
    assert load(Sources({}, {"KEYGW_CONFIG": str(named)}, nowhere, system=system)).settings.port == 1
    look("port = 3")
    assert load(Sources({}, {"KEYGW_DATA": str(tmp_path)}, nowhere, system=system)).settings.port == 3
    assert load(Sources({}, {"KEYGW_CONFIG": str(system)}, nowhere, config=named)).settings.port == 1
    refused("config_unreadable", "gone", call=lambda: load(Sources({}, {}, nowhere, config=tmp_path / "gone.toml")))


@pytest.mark.parametrize(
    ("toml", "code", "word"),
    [
        ("prot = 1", "unknown_setting", "is it port?"),
        ("issuer_passphrse_file = 'x'", "unknown_setting", "is it issuer_passphrase_file?"),
        ("[storage]\nurl = 'x'", "unknown_setting", "'storage'"),
        ("database = 'postgresql://u:p@h/n'", "secret_in_file", "database_file"),
        ("port = '8765'", "bad_setting", "a whole number"),
        ("port = true", "bad_setting", "a whole number"),
        ("unsafe_cleartext = 1", "bad_setting", "true or false"),
        ("host = 1", "bad_setting", "text in quotes"),
        ("tls_cert = 1", "bad_setting", "text in quotes"),
        ("trusted_proxies = '10.0.0.0/8'", "bad_setting", "a list"),
        ("trusted_proxies = [1]", "bad_setting", "a list"),
        ("port = 65536", "bad_setting", "port"),
        ("log_level = 'loud'", "bad_setting", "log_level"),
        ("trusted_proxies = ['0.0.0.0/0']", "bad_setting", "everybody"),
        ("trusted_proxies = ['10.0.0.1/8']", "bad_setting", "not a network"),
        ("tls_cert = 'x'", "bad_setting", "belong together"),
        ("metrics = '9464'", "bad_setting", "127.0.0.1:9464"),
        ("radio = ' '", "bad_radio", "radio"),
        ("public_url = 'http://keys.example'", "clear_text", "keys.example"),
        ("public_url = 'https://u:p@keys.example'", "bad_url", "no user"),
        ("host = '0.0.0.0'", "clear_text", "0.0.0.0"),
        ("issuer_passphrase = 'hunter2'", "secret_in_file", "issuer_passphrase_file"),
        ("data = 'x'", "bad_setting", "lies in it"),
        ("port = ", "config_unreadable", "not TOML"),
        ("x = 1\nx = 2", "config_unreadable", "not TOML"),
        ("# " + "x" * 70_000, "config_unreadable", "bytes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(look: Load, tmp_path: Path, toml: str, code: str, word: str) -> None:
    with pytest.raises(BadSetting) as caught:
        look(toml)
    assert caught.value.code == code
    assert word in str(caught.value)
    assert "hunter2" not in str(caught.value)
    if code in ("unknown_setting", "secret_in_file", "config_unreadable"):
        assert str(tmp_path / "keygw.toml") in str(caught.value)


def test_tls_lets_it_listen_beyond_this_machine(look: Load, tmp_path: Path) -> None:
    settings = look("host = '0.0.0.0'\ntls_cert = 'certs/chain.pem'\ntls_key = '/keys/key.pem'").settings
    assert settings.tls_cert == tmp_path / "certs" / "chain.pem", "a path is meant from the place of the file"
    assert settings.tls_key == Path("/keys/key.pem")
    assert look(environment={"KEYGW_UNSAFE_CLEARTEXT": "1"}, host="0.0.0.0").settings.unsafe_cleartext


def test_a_secret_comes_from_its_variable_or_a_file_of_its_own(look: Load, tmp_path: Path) -> None:
    file = tmp_path / "issuer.passphrase"
    file.touch(0o600)
    file.write_text("correct horse\n")
    for loaded in (
        look("issuer_passphrase_file = 'issuer.passphrase'"),
        look("port = 1", {"KEYGW_ISSUER_PASSPHRASE_FILE": str(file)}),
        look("port = 1", {"KEYGW_ISSUER_PASSPHRASE": "correct horse"}),
    ):
        assert loaded.settings.issuer_passphrase is not None
        assert loaded.settings.issuer_passphrase.get_secret_value() == "correct horse"
        assert "correct" not in repr(loaded)
    both = {"KEYGW_ISSUER_PASSPHRASE": "x", "KEYGW_ISSUER_PASSPHRASE_FILE": str(file)}
    refused("bad_setting", "keep one", call=lambda: look(environment=both))
    only = {"KEYGW_ISSUER_PASSPHRASE_FILE": str(file)}
    file.chmod(0o604)
    refused("secret_unreadable", "chmod 600", call=lambda: look(environment=only))
    file.chmod(0o600)
    for content in ("", "\n", "a\nb\n", "a" * 5000):
        file.write_text(content)
        refused("secret_unreadable", "one line", call=lambda: look(environment=only))
    refused("secret_unreadable", "gone", call=lambda: look("issuer_passphrase_file = 'gone'"))


def test_every_setting_has_a_variable_and_words() -> None:
    told = variables()
    for name, info in Settings.model_fields.items():
        assert told[f"KEYGW_{name.upper()}"] == name
        assert info.description, name


def test_the_variable_of_opentelemetry_is_taken_last(look: Load) -> None:
    theirs = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    loaded = look(environment=theirs)
    assert (loaded.settings.otel_endpoint, loaded.sources["otel_endpoint"]) == (
        "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_ENDPOINT",
    )  # fmt: skip
    ours = look(environment={**theirs, "KEYGW_OTEL_ENDPOINT": "http://127.0.0.1:1"})
    assert ours.sources["otel_endpoint"] == "KEYGW_OTEL_ENDPOINT"


def test_a_variable_that_is_nearly_ours_is_doubted(look: Load) -> None:
    doubts = look(environment={"KEYGW_PROT": "1", "KEYGW_TOKEN": "kgw_secret"}).doubts
    assert doubts == ("KEYGW_PROT is no variable of keygw; is it KEYGW_PORT?",)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of keygw's, and a data directory."""
    import os

    for name in [name for name in os.environ if name.startswith(("KEYGW_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEYGW_DATA", str(tmp_path))
    return tmp_path


def test_config_show_tells_values_and_places_and_no_secret(
    quiet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYGW_ISSUER_PASSPHRASE", "hunter2")
    monkeypatch.setenv("KEYGW_PUBLIC_ULR", "x")
    (quiet / "keygw.toml").write_text("port = 1234\ntrusted_proxies = ['10.0.0.0/8', '::1/128']\n")
    assert main(["config", "show", "--json"]) == 0
    told = json.loads(out := capsys.readouterr().out)
    assert told["settings"]["port"] == {"value": 1234, "source": str(quiet / "keygw.toml")}
    assert told["settings"]["issuer_passphrase"] == {"value": "set", "source": "KEYGW_ISSUER_PASSPHRASE"}
    assert told["settings"]["trusted_proxies"]["value"] == ["10.0.0.0/8", "::1/128"]
    assert told["settings"]["tls_key"] == {"value": None, "source": "default"}
    assert told["doubts"] == ["KEYGW_PUBLIC_ULR is no variable of keygw; is it KEYGW_PUBLIC_URL?"]
    assert main(["config", "show"]) == 0
    said = capsys.readouterr()
    assert f"port\t1234\t{quiet / 'keygw.toml'}" in said.out
    assert "KEYGW_PUBLIC_ULR" in said.err
    assert "hunter2" not in out + said.out + said.err


def test_config_check_says_yes_or_what_is_wrong(quiet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert "can be used" in capsys.readouterr().out
    (quiet / "keygw.toml").write_text("prot = 1")
    assert main(["config", "check", "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["code"] == "unknown_setting"
    (quiet / "keygw.toml").write_text("tls_cert = 'a.pem'\ntls_key = 'b.pem'")
    assert main(["config", "check"]) == 3
    assert "[tls_unusable]" in capsys.readouterr().err
