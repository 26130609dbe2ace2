"""The commands against a real gateway in a process of its own, which has no radio."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.cli import client, events
from keygw.cli.endpoint import Endpoint
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.main import main

if TYPE_CHECKING:
    from tests.unit.conftest import Run


# --- vehicles and keys


def test_a_time_proof(run: Run, car: dict[str, str], owner: str) -> None:
    said = run("vehicles", "time-proof", car["name"], "AAAAAAAAAAA")
    assert said.code == 0, said.err
    assert '"' not in said.out, "it goes into a shell variable as it is"
    signed = base64.urlsafe_b64decode(said.out.strip() + "==")
    assert signed.startswith(b"\x84\x53")
    assert b"dktp" in signed
    again = run("vehicles", "time-proof", car["id"], "AAAAAAAAAAA", "--json").json
    assert again.keys() == {"proof", "revocation_list"}
    assert again["revocation_list"]["vehicle_id"] == car["id"]
    assert run("vehicles", "time-proof", car["id"], "AAAA", "--json").error["code"] == "validation"


def test_vehicles(run: Run, car: dict[str, str], owner: str) -> None:
    assert car["id"] in {each["id"] for each in run("vehicles", "list", "--json").json["vehicles"]}
    assert f"{car['id']}\tBlue van" in run("vehicles", "list").out
    for name in (car["id"], car["id"][:12], "blue van"):
        shown = run("vehicles", "show", name, "--json").json
        assert (shown["id"], shown["link"]["state"]) == (car["id"], "disconnected")
        assert "advertising_key" not in shown


def test_a_vehicle_that_is_not_whole(run: Run, tmp_path: Path) -> None:
    error = run("vehicles", "add", "--name", "x", "--json")
    assert (error.code, error.error["code"]) == (Exit.USAGE, "incomplete_vehicle")
    assert "--public-key" in error.error["next"]
    said = run("vehicles", "add", "--id", "veh_x", "--name", "x", "--public-key", "AA", "--advertising-key", "AA")
    assert said.code == Exit.USAGE
    assert "body.public_key" in said.err


def test_issue_writes_the_provisioning(run: Run, car: dict[str, str], owner: str, tmp_path: Path) -> None:
    file = tmp_path / "provisioning.json"
    said = run("keys", "issue", car["id"], "--label", "Mine", "--provisioning", str(file), "--json")
    assert json.loads(file.read_text()) == said.json["provisioning"]
    assert said.json["provisioning"]["vehicle_id"] == car["id"]
    before = len(run("keys", "list", "--json").json["keys"])
    again = run("keys", "issue", car["id"], "--provisioning", str(file))
    assert again.code == Exit.CONFLICT
    assert "[file_exists]" in again.err
    assert len(run("keys", "list", "--json").json["keys"]) == before, "nothing is issued that cannot be kept"


def test_the_factorys_part_names_the_issuer_alone(run: Run, car: dict[str, str], owner: str, tmp_path: Path) -> None:
    (tmp_path / "car.json").write_text(json.dumps(car))
    file = tmp_path / "provisioning.json"
    line = ["vehicles", "add", "--from", str(tmp_path / "car.json"), "--provisioning", str(file)]
    said = run(*line, "--json")
    assert json.loads(file.read_text()) == {"v": 1, "vehicle_id": car["id"], "issuer": said.json["issuer"]}
    assert run(*line).code == Exit.CONFLICT


def test_pairing_without_a_radio_fails_and_says_what_to_do(run: Run) -> None:
    said = run("pair", "31415926", "--json")
    assert (said.code, said.json["state"], said.json["reason"]) == (Exit.NOT_DONE, "failed", "radio_unavailable")
    assert run("pair", "31415926", "--name", "Red van", "--wait", "0").code == Exit.OK
    refused = run("pair", "1234", "--json")
    assert (refused.code, refused.error["code"]) == (Exit.USAGE, "validation")


def test_keys(run: Run, car: dict[str, str], friend: str, owner: str) -> None:
    shown = run("keys", "show", friend, "--json").json
    assert (shown["id"], shown["parent_id"], shown["state"]) == (friend, owner, "active")
    assert shown["entitlements"] == ["status.read", "door.lock", "door.unlock"]
    assert friend in run("keys", "list", "--vehicle", "Blue van").out
    text = run("keys", "show", friend[:14]).out
    assert f"key\t{friend}" in text
    assert "vehicle has heard\tnot yet everything: list 0 of 1" in text, "the first list goes with the first friend key"


def test_the_key_token(run: Run, car: dict[str, str], friend: str) -> None:
    document = run("keys", "token", friend, "--json").json
    assert document["key_id"] == friend
    assert document["vehicle"]["public_key"] == car["public_key"].rstrip("=")
    assert run("keys", "token", friend, "--form", "jwt").out == document["jwt"] + "\n"
    assert run("keys", "token", friend, "--form", "cwt").out == document["cwt"] + "\n"
    assert document["jwt"] in run("keys", "token", friend).out


def test_a_suspension_that_the_vehicle_has_not_heard_of(run: Run, friend: str) -> None:
    said = run("keys", "suspend", friend)
    assert said.code == 0
    assert "suspended; the vehicle has not heard of it yet" in said.out
    assert f"keygw keys resume {friend}" in said.err
    assert run("keys", "resume", friend, "--json").json["state"] == "active"


def test_a_revocation_is_not_called_done_before_the_vehicle_says_so(run: Run, friend: str) -> None:
    said = run("keys", "revoke", friend)
    assert said.code == 0
    assert "revoking: waiting for the vehicle, which may still accept the key" in said.out
    late = run("keys", "revoke", friend, "--wait", "0.2", "--json")
    assert late.code == Exit.NOT_DONE
    assert late.error["code"] == "not_acknowledged"
    assert "keygw doctor" in late.error["next"]
    assert run("keys", "show", friend, "--json").json["state"] == "revoking"
    refused = run("keys", "resume", friend, "--json")
    assert (refused.code, refused.error["code"]) == (Exit.CONFLICT, "key_revoked")
    assert refused.error["problem"]["status"] == 409


# --- commands and status


def test_a_command_that_cannot_reach_the_vehicle(run: Run, owner: str, car: dict[str, str]) -> None:
    said = run("command", car["id"], "unlock", "--json")
    assert said.code == Exit.NOT_DONE
    assert (said.json["state"], said.json["reason"], said.json["settled"]) == ("failed", "radio_unavailable", True)
    text = run("command", car["id"], "unlock")
    assert "unlock: failed (radio_unavailable)" in text.out
    assert "keygw doctor" in text.err


def test_a_command_that_is_only_handed_over(run: Run, owner: str, car: dict[str, str]) -> None:
    said = run("command", car["id"], "lock", "--wait", "0", "--json")
    assert said.code == (Exit.NOT_DONE if said.json["settled"] else Exit.OK)
    assert said.json["action"] == "lock"


def test_an_idempotency_key_gives_the_same_command(run: Run, owner: str, car: dict[str, str]) -> None:
    line = ["command", car["id"], "lock", "--key", owner, "--idempotency-key", owner, "--json"]
    assert run(*line).json["id"] == run(*line).json["id"]
    other = run("command", car["id"], "unlock", "--idempotency-key", owner, "--json")
    assert other.error["code"] == "idempotency_mismatch"
    assert run("command", car["id"], "lock", "--idempotency-key", "two words").code == Exit.USAGE


def test_status_says_what_it_does_not_know(run: Run, owner: str, car: dict[str, str]) -> None:
    line = ["status", car["id"], "--path", "Vehicle.Speed", "--path", "Vehicle.Nope"]
    signals = run(*line, "--json").json["signals"]
    assert signals == [
        {"path": "Vehicle.Speed", "quality": "unknown"},
        {"path": "Vehicle.Nope", "error": "unsupported"},
    ]
    assert "Vehicle.Speed\t-\tunknown\t-\nVehicle.Nope\t-\tunsupported\t-\n" in run(*line).out


# --- who may


def test_an_app_with_its_own_token(run: Run, owner: str, tmp_path: Path, car: dict[str, str]) -> None:
    file = tmp_path / "token"
    said = run("apps", "add", "Mine", "--scope", "vehicle.read,key.read", "--for", "1h", "--save", str(file), "--json")
    token = file.read_text().strip()
    assert token not in said.out + said.err
    assert said.json["app"]["scopes"] == ["key.read", "vehicle.read"]
    who = run("apps", "whoami", "--token-file", str(file), "--json").json
    assert who["id"] == said.json["app"]["id"]
    refused = run("apps", "add", "Other", "--scope", "key.read", "--token-file", str(file), "--json")
    assert (refused.code, refused.error["code"]) == (Exit.NOT_AUTHORISED, "insufficient_scope")
    assert "app.manage" in refused.error["next"]
    hidden = run("vehicles", "show", car["id"], "--token-file", str(file), "--json")
    assert (hidden.code, hidden.error["code"]) == (Exit.NOT_FOUND, "unknown_vehicle")
    assert run("apps", "remove", who["id"], "--json").json == {"app_id": who["id"], "revoked": True}
    ended = run("apps", "whoami", "--token-file", str(file))
    assert ended.code == Exit.NOT_AUTHORISED
    assert "[token_revoked]" in ended.err
    assert token not in ended.err


def test_a_token_that_is_shown_is_shown_once(run: Run) -> None:
    said = run("apps", "add", "Mine", "--scope", "vehicle.read")
    assert "token\tkgw_" in said.out
    assert "cannot be shown again" in said.err


def test_a_foreign_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYGW_TOKEN", "kgw_" + "A" * 43)
    said = run("keys", "list")
    assert said.code == Exit.NOT_AUTHORISED
    assert "[token_unknown]" in said.err
    assert "A" * 43 not in said.err


def test_an_unknown_scope(run: Run) -> None:
    said = run("apps", "add", "Mine", "--scope", "car.fly", "--json")
    assert (said.code, said.error["code"]) == (Exit.USAGE, "unknown_scope")


# --- no gateway, or another one


def test_no_gateway(run: Run) -> None:
    said = run("keys", "list", "--url", "http://127.0.0.1:1", "--json")
    assert (said.code, said.error["code"]) == (Exit.NO_GATEWAY, "no_gateway")
    assert said.error["detail"] == "no gateway at http://127.0.0.1:1"
    assert "keygw serve" in said.error["next"]


class Stranger(BaseHTTPRequestHandler):
    """A web server that is none of ours. ``streams``: the bodies of its event streams, in order."""

    streams: list[bytes] = []  # noqa: RUF012 - set anew for each server
    asked: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path.startswith("/v1/events") and self.streams:
            self.asked.append(self.headers["Last-Event-ID"])
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(self.streams.pop(0))
        elif self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "/health")
            self.end_headers()
        else:
            self.send_response(200 if self.path == "/v1/keys" else 404)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Quiet."""


@pytest.fixture
def stranger() -> Iterator[type[Stranger]]:
    handler = type("Handler", (Stranger,), {"streams": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]  # for the tests
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/v1/keys", "/redirect", "/health"])
def test_what_answers_is_no_gateway(stranger: Any, path: str) -> None:
    with client.Gateway(Endpoint(stranger.url, True, "kgw_x", "a test")) as gateway, pytest.raises(Failure) as caught:
        gateway.get(path)
    assert (caught.value.exit_code, caught.value.code) == (Exit.NO_GATEWAY, "not_a_gateway")


def test_a_proxy_never_sees_a_local_request(stranger: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", stranger.url)
    monkeypatch.setenv("http_proxy", stranger.url)
    assert run("keys", "list", "--json").code == 0


# --- events


def test_events_of_the_gateway(run: Run, gateway: dict[str, str], car: dict[str, str], owner: str) -> None:
    """The stream is read by another process while this one changes something."""
    line = [sys.executable, "-m", "keygw", "events", "--vehicle", car["id"], "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        # Nobody knows when it listens; so something happens until it has heard of it.
        heard = threading.Event()

        def happen() -> None:
            while not heard.wait(0.05):
                main(["keys", "suspend", owner, "--json"])
                main(["keys", "resume", owner, "--json"])

        thread = threading.Thread(target=happen)
        thread.start()
        try:
            event = json.loads(process.stdout.readline())
        finally:
            heard.set()
            thread.join()
            process.send_signal(signal.SIGINT)
        try:
            assert event["type"] in ("keygw.key.suspended", "keygw.key.resumed")
            assert (event["subject"], event["data"]["key_id"]) == (car["id"], owner)
            assert process.wait(10) == 0, "Ctrl-C is how one ends it"
        finally:
            process.kill()  # a suite in a shell's background is deaf to SIGINT, and so are its children
        assert process.stderr is not None
        assert process.stderr.read() == ""


def event_text(number: int) -> bytes:
    return f'id: b-{number}\nevent: keygw.x\ndata: {{"type":"keygw.x","n":{number}}}\n\n'.encode()


def test_a_stream_that_breaks_off_is_taken_up_again(stranger: Any) -> None:
    stranger.streams += [event_text(1) + event_text(2) + b'id: b-3\ndata: {"ha', event_text(3) + event_text(4)]
    seen: list[Any] = []
    with client.Gateway(Endpoint(stranger.url, True, "kgw_x", "a test")) as gateway:
        events.follow(gateway, {}, "b-0", 4, seen.append, sleep=lambda _: None)
    assert [event["n"] for event in seen] == [1, 2, 3, 4]
    assert stranger.asked == ["b-0", "b-2"]


def test_a_stream_that_stays_away_is_given_up(stranger: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stranger.streams.append(event_text(1))
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    seen: list[Any] = []
    gateway = client.Gateway(Endpoint(stranger.url, True, "kgw_x", "a test"))
    with gateway, pytest.raises(Failure) as caught:
        # After its one stream the stranger answers 404 pages: no gateway any more, so there is nothing to wait for.
        events.follow(gateway, {}, "", 0, seen.append, clock=lambda: now[0], sleep=sleep)
    assert caught.value.code == "not_a_gateway"
    assert [event["n"] for event in seen] == [1]
    assert now[0] == events.PAUSE_S
    assert "broke off" in capsys.readouterr().err


def test_a_gateway_that_is_gone_is_waited_for_and_then_given_up(stranger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger.streams.append(event_text(1))
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        lost._http.base_url = "http://127.0.0.1:1"

    lost = client.Gateway(Endpoint(stranger.url, True, "kgw_x", "a test"))
    with lost, pytest.raises(Failure) as caught:
        events.follow(lost, {}, "", 0, lambda _: None, clock=lambda: now[0], sleep=sleep)
    assert caught.value.code == "no_gateway"
    assert now[0] == pytest.approx(events.PATIENCE_S, abs=2 * events.PAUSE_S)


def test_a_gateway_that_was_never_there_is_not_waited_for(run: Run) -> None:
    assert run("events", "--url", "http://127.0.0.1:1").code == Exit.NO_GATEWAY


# --- serve


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "gw.example", "::"])
def test_serve_stays_on_this_machine(run: Run, host: str, tmp_path: Path) -> None:
    said = run("serve", "--host", host, "--data", str(tmp_path / "new"))
    assert said.code == Exit.USAGE
    assert "clear text" in said.err
    assert not (tmp_path / "new").exists()


def test_serve_on_a_taken_port(gateway: dict[str, str], tmp_path: Path) -> None:
    port = gateway["url"].rpartition(":")[2]
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", port, "--data", str(tmp_path / "new")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == Exit.ENVIRONMENT
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_defaults_of_serve_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from keygw.app import serve as served
    from keygw.app.settings import Settings

    started: list[Settings] = []
    as_json: list[bool] = []

    def record(settings: Settings, *, json_ready: bool, **_: object) -> int:
        started.append(settings)
        as_json.append(json_ready)
        return 3

    monkeypatch.setattr(served, "serve", record)
    for name, value in {"DATA": tmp_path, "RADIO": "usb:0", "PORT": "9000", "HOST": "::1"}.items():
        monkeypatch.setenv(f"KEYGW_{name}", str(value))
    assert main(["serve"]) == 3
    assert main(["serve", "--port", "0", "--radio", "none", "--json", "--data", "/x", "--host", "127.0.0.2"]) == 3
    monkeypatch.setenv("KEYGW_PUBLIC_URL", "https://keys.example/car/")
    assert main(["serve"]) == 3
    assert [(each.data, each.host, each.port, each.radio) for each in started[:2]] == [
        (tmp_path, "::1", 9000, "usb:0"),
        (Path("/x"), "127.0.0.2", 0, "none"),
    ]
    assert as_json == [False, True, False]
    assert [each.public_url for each in started] == [None, None, "https://keys.example/car"]
    for url, code in [("http://keys.example", "clear_text"), ("keys.example", "bad_url")]:
        assert main(["serve", "--public-url", url]) == Exit.USAGE
        assert f"[{code}]" in capsys.readouterr().err
    assert main(["serve", "--public-url", "http://127.0.0.1:1"]) == 3
