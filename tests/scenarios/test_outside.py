"""The gateway as the world meets it: its own TLS, behind a real nginx, and the unit that runs it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from tests.conftest import Require


def certificate(folder: Path, name: str, days: int = 1) -> tuple[Path, Path]:
    """A self-signed certificate for loopback and that name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.touch(0o600)
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private


@contextmanager
def serving(data: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A gateway that is up, and what it said then; its log goes to ``log`` in the data directory."""
    line = [sys.executable, "-m", "keygw", "serve", "--data", str(data), "--radio", "none", "--port", "0", "--json"]
    data.mkdir(0o700, exist_ok=True)
    with (data / "log").open("w") as log, subprocess.Popen(
        [*line, *more], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def shown(url: str) -> str:
    """The name in the certificate that a server shows."""
    port = httpx.URL(url).port
    assert port is not None
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    found = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)


def until(data: Path, word: str) -> str:
    """The log, once it says that."""
    end = time.monotonic() + 10
    while word not in (text := (data / "log").read_text()):
        assert time.monotonic() < end, text
        time.sleep(0.02)
    return text


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated:DeprecationWarning")  # that is what is tried
def test_https_of_its_own(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "one.example")
    data = tmp_path / "data"
    with serving(data, "--tls-cert", str(cert), "--tls-key", str(key), "--log-level", "info") as (process, ready):
        assert ready["url"].startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trust, base_url=ready["url"]) as http:
            answer = http.get("/health")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            token = (data / "operator.token").read_text().strip()
            assert http.get("/v1/apps/self", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(ready["url"].replace("https", "http") + "/health")
        _versions(ready["url"])
        if hasattr(signal, "SIGHUP"):
            _renewed(tmp_path, data, process, ready["url"], cert, key)


def _versions(url: str) -> None:
    port = httpx.URL(url).port
    spoken = {}
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this client would refuse before the server could
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port or 0), 10) as plain:
            try:
                with context.wrap_socket(plain) as wrapped:
                    spoken[version] = wrapped.version()
            except ssl.SSLError:
                spoken[version] = None
    assert list(spoken.values()) == [None, "TLSv1.2", "TLSv1.3"]


def _renewed(folder: Path, data: Path, process: subprocess.Popen[str], url: str, cert: Path, key: Path) -> None:
    """A new certificate is taken on SIGHUP; one that does not fit its key is refused, and the old one stays."""
    assert shown(url) == "one.example"
    new_cert, new_key = certificate(folder, "two.example")
    shutil.copyfile(new_cert, cert)
    process.send_signal(signal.SIGHUP)
    until(data, "tls_unusable")
    assert shown(url) == "one.example"
    shutil.copyfile(new_key, key)
    process.send_signal(signal.SIGHUP)
    until(data, "certificate_read")
    assert shown(url) == "two.example"


@pytest.mark.parametrize("wrong", ["exposed", "foreign", "missing", "encrypted"])
def test_a_key_that_cannot_be_used_is_one_line(tmp_path: Path, wrong: str) -> None:
    cert, key = certificate(tmp_path, "a.example")
    if wrong == "exposed":
        key.chmod(0o644)
    elif wrong == "foreign":
        _, key = certificate(tmp_path, "b.example")
    elif wrong == "missing":
        key.unlink()
    else:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hunter2"),
            )
        )  # fmt: skip
    line = [sys.executable, "-m", "keygw", "serve", "--data", str(tmp_path / "d"), "--radio", "none", "--port", "0"]
    ran = subprocess.run(
        [*line, "--tls-cert", str(cert), "--tls-key", str(key)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 3
    assert "[tls_unusable]" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "d").exists()


# -- behind nginx -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nginx(require: Require) -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    require("nginx", found is not None, "apt-get install nginx-light")
    assert found is not None
    return found


def documented(repository: Path) -> str:
    """The configuration of the page."""
    page = (repository / "docs/how-to/run-behind-a-proxy.md").read_text("utf-8")
    found = re.search(r"^```nginx\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def proxied(nginx: str, folder: Path, text: str, changes: dict[str, str]) -> Iterator[None]:
    """nginx with that configuration; each change must find its place, and all that it writes lies in the folder."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    folder.mkdir()
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", f"http {{\naccess_log {folder}/access.log;\n{paths}", 1)
    user = "user root;\n" if os.name == "posix" and os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n{text}")
    with subprocess.Popen([nginx, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]) as process:
        try:
            end = time.monotonic() + 20
            while not (folder / "pid").exists() or not (folder / "pid").read_text().strip():
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < end, "nginx does not start"
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def test_behind_nginx_as_documented(nginx: str, tmp_path: Path, repository: Path) -> None:
    cert, key = certificate(tmp_path, "keys.example.org")
    data, port = tmp_path / "data", free_port()
    outside = f"https://keys.example.org:{port}"
    more = ("--trusted-proxy", "127.0.0.1/32", "--log-level", "info", "--log-format", "json")
    with serving(data, "--public-url", outside, *more) as (_, ready):
        changes = {
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "127.0.0.1:8765": f"127.0.0.1:{httpx.URL(ready['url']).port}",
            "/etc/ssl/keys.example.org.pem": str(cert),
            "/etc/ssl/private/keys.example.org.key": str(key),
        }
        trust = ssl.create_default_context(cafile=str(cert))
        base = f"https://127.0.0.1:{port}"
        with proxied(nginx, tmp_path / "nginx", documented(repository), changes), httpx.Client(
            verify=trust, base_url=base, trust_env=False
        ) as http:  # fmt: skip
            _through(http, data, outside)
            _events(http, data)
            burst = [http.get("/health").status_code for _ in range(80)]
            assert set(burst) == {200, 429}, "the proxy bounds what one client may ask"
    lines = [json.loads(line) for line in (data / "log").read_text().splitlines()]
    told = [line for line in lines if line["event"] == "request" and line["path"] == "/health"]
    assert told[0]["client"] == "127.0.0.1", "the proxy has replaced what the caller wrote"
    assert re.fullmatch(r"[0-9a-f]{32}", told[0]["request_id"])


def _through(http: httpx.Client, data: Path, outside: str) -> None:
    answer = http.get("/health", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http"})
    assert answer.status_code == 200
    assert "strict-transport-security" in answer.headers
    token = {"Authorization": f"Bearer {(data / 'operator.token').read_text().strip()}"}
    assert http.post("/v1/apps", json={"name": "a", "scopes": ["vehicle.read"]}, headers=token).status_code == 403
    assert http.get("/readyz").status_code == 403
    assert http.get("/v1/apps/self", headers=token).status_code == 200
    missing = http.get("/v1/vehicles/veh_x", headers=token).json()
    assert missing["code"] == "unknown_vehicle"
    assert http.get("/v1/keys", headers=[*token.items(), ("X-Big", "x" * 60_000)]).status_code == 400


def _events(http: httpx.Client, data: Path) -> None:
    """The first line of a stream comes at once, through the proxy's buffers."""
    token = {"Authorization": f"Bearer {(data / 'operator.token').read_text().strip()}"}
    with http.stream("GET", "/v1/events", headers=token, timeout=5) as stream:
        assert next(stream.iter_lines()) == "retry: 2000"


def test_a_stranger_beside_the_proxy_is_not_believed(tmp_path: Path) -> None:
    """The gateway trusts another network: what arrives from loopback writes headers in vain."""
    data = tmp_path / "data"
    with serving(data, "--trusted-proxy", "10.0.0.0/8", "--log-level", "info", "--log-format", "json") as (_, ready):
        told = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
        assert "strict-transport-security" not in httpx.get(f"{ready['url']}/health", headers=told).headers
        text = until(data, '"request"')  # a line follows its answer
    line = next(json.loads(line) for line in text.splitlines() if '"request"' in line)
    assert line["client"] == "127.0.0.1"


# -- under systemd ----------------------------------------------------------------------------------------------------


def test_the_unit_is_one_that_systemd_takes(repository: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    text = (repository / "deploy/keygw.service").read_text("utf-8")
    # The program is not installed there on this machine, and a missing one is an error of its own.
    assert text.count("/usr/local/lib/keygw/bin/keygw") == 2
    unit = tmp_path / "keygw.service"
    unit.write_text(text.replace("/usr/local/lib/keygw/bin/keygw", "/bin/true"))
    ran = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPriviliges"))
    ran = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert "NoNewPriviliges" in ran.stderr, "a word that systemd does not know is seen"


def test_the_options_in_the_unit_exist(repository: Path) -> None:
    from keygw.cli.main import main

    text = (repository / "deploy/keygw.service").read_text("utf-8")
    for line in re.findall(r"^Exec\w+=/usr/local/lib/keygw/bin/keygw (.+)$", text, re.MULTILINE):
        words = line.split()
        command = words[: words.index("--config")]
        assert main([*command, "--help"]) == 0
        assert words[words.index("--config") :] == ["--config", "/etc/keygw/keygw.toml", "--data", "/var/lib/keygw"]
