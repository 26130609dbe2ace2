"""What every ``Post`` must do: requests to strangers, over real sockets on loopback, with a resolver of the test's."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keygw.bridge.webhook_ports import Failure, Post
from keygw.outbound.resolver import Resolver
from keygw.outbound.sender import MOST_ADDRESSES, Sender
from receiver import answering, receiving

NAME = "hooks.example"
BODY = b'{"a":1}'


class Names:
    """A resolver that says what the test wants: each answer once, then the last one again."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        found = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found


def post(names: Names | None = None, **more: Any) -> Post:
    return Sender(loopback=True, resolver=Resolver(names or Names(["127.0.0.1"])), **more)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For that name and no other."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def nobody_else_resolves(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Whoever asks the system for a name, behind the back of the resolver, is seen."""
    asked: list[Any] = []

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "not here")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    assert asked == []


async def test_what_is_sent_arrives_as_it_was_said() -> None:
    async with receiving() as receiver:
        url = f"http://{NAME}:{receiver.port}/a%20b/'?c=d%2Fe&f=*"
        answer = await post().send(url, {"webhook-id": "msg_1", "content-type": "application/json"}, BODY)
        assert (answer.status, answer.failure, answer.success) == (204, None, True)
        assert 0 < answer.seconds < 10
        [taken] = receiver.taken
        assert taken.line == "POST /a%20b/'?c=d%2Fe&f=* HTTP/1.1"
        assert taken.body == BODY
        assert taken.headers["host"] == f"{NAME}:{receiver.port}"
        assert (taken.headers["webhook-id"], taken.headers["content-type"]) == ("msg_1", "application/json")
        assert taken.headers["connection"] == "close"
        assert not {"cookie", "authorization", "referer"} & taken.headers.keys()


@pytest.mark.usefixtures("nobody_else_resolves")
async def test_tls_is_for_the_name_and_the_connection_for_the_address(certificate: Path) -> None:
    async with receiving(server_side(certificate)) as receiver:
        answer = await post(tls=trusting(certificate)).send(f"https://{NAME}:{receiver.port}/", {}, BODY)
        assert answer.success
        [taken] = receiver.taken
        assert taken.sni == NAME
        assert taken.headers["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.usefixtures("nobody_else_resolves")
async def test_a_certificate_of_another_name_or_of_nobody_we_trust(certificate: Path) -> None:
    async with receiving(server_side(certificate)) as receiver:
        other = await post(tls=trusting(certificate)).send(f"https://other.example:{receiver.port}/", {}, BODY)
        literal = await post(tls=trusting(certificate)).send(f"https://127.0.0.1:{receiver.port}/", {}, BODY)
        unknown = await post().send(f"https://{NAME}:{receiver.port}/", {}, BODY)
        assert {each.failure for each in (other, literal, unknown)} == {Failure.TLS_FAILED}
        assert receiver.taken == []
    async with receiving() as plain:
        short = post(tls=trusting(certificate), seconds=0.3)
        answer = await short.send(f"https://{NAME}:{plain.port}/", {}, BODY)
        assert answer.failure is Failure.TIMED_OUT, "it waits for a request, and none is made in clear text"
        assert plain.taken == []


@pytest.mark.usefixtures("nobody_else_resolves")
async def test_a_name_that_turns_elsewhere_after_the_look_changes_nothing() -> None:
    """DNS rebinding: good for the look, bad for whoever asks again."""
    async with receiving() as receiver:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        sender = post(names)
        assert (await sender.send(f"http://{NAME}:{receiver.port}/", {}, BODY)).success
        assert names.asked == [NAME], "one look for one delivery"
        again = await sender.send(f"http://{NAME}:{receiver.port}/", {}, BODY)
        assert again.failure is Failure.ADDRESS_REFUSED
        assert (len(names.asked), len(receiver.taken)) == (2, 1), "and a new look for the next"


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fd00:ec2::254"],
        ["fe80::1%lo"],
        ["fe80::1"],
        ["::"],
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
    ],
)
async def test_a_name_that_stands_for_what_is_not_public_is_not_connected_to(found: list[str]) -> None:
    async with receiving() as receiver:
        answer = await post(Names(found)).send(f"http://{NAME}:{receiver.port}/", {}, BODY)
        assert answer.failure is Failure.ADDRESS_REFUSED
        assert receiver.connections == 0


async def test_without_the_switch_this_machine_is_not_public() -> None:
    async with receiving() as receiver:
        sender = Sender(resolver=Resolver(Names(["127.0.0.1"])))
        for url in (f"https://{NAME}:{receiver.port}/", receiver.url, receiver.url.replace("http:", "https:"),
                    f"https://localhost:{receiver.port}/"):  # fmt: skip
            assert (await sender.send(url, {}, BODY)).failure is Failure.ADDRESS_REFUSED
        assert receiver.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with receiving() as elsewhere, receiving() as receiver:
        receiver.always = answering(status, f"Location: {elsewhere.url}")
        answer = await post().send(receiver.url, {}, BODY)
        assert (answer.status, answer.failure) == (status, Failure.REDIRECTED)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
async def test_a_refusal_is_told_with_what_the_receiver_wishes(status: int) -> None:
    async with receiving() as receiver:
        receiver.always = answering(status, "Retry-After: 120", body=b"go away")
        answer = await post().send(receiver.url, {}, BODY)
        assert (answer.status, answer.failure, answer.retry_after) == (status, Failure.STATUS, "120")


async def test_nobody_is_kept_waiting_by_a_long_or_a_slow_or_a_packed_answer() -> None:
    packed = b"\x1f\x8b\x08\x00" + bytes(5000)
    async with receiving() as receiver:
        for head, body in (
            ("Content-Length: 1000000000000", b"x" * 100_000),
            ("Transfer-Encoding: chunked", b"fffffff\r\n" + b"x" * 100_000),
            ("Content-Encoding: gzip\r\nContent-Length: 5004", packed),
            ("Content-Encoding: br\r\nContent-Length: 5004", packed),
        ):
            receiver.answers = [f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body]
            answer = await post().send(receiver.url, {}, BODY)
            assert (answer.status, answer.success) == (200, True), head
            assert answer.seconds < 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_no_success(raw: bytes) -> None:
    async with receiving() as receiver:
        receiver.always = raw
        answer = await post().send(receiver.url, {}, BODY)
        assert (answer.status, answer.failure) == (None, Failure.CONNECTION_LOST)


async def test_it_ends_in_time_whatever_hangs() -> None:
    free = threading.Event()

    def asleep(host: str, port: int) -> list[str]:
        free.wait(10)
        return ["127.0.0.1"]

    async with receiving() as receiver:
        receiver.hold.clear()
        answer = await post(seconds=0.2).send(receiver.url, {}, BODY)
        assert (answer.status, answer.failure) == (None, Failure.TIMED_OUT)
        assert 0.2 <= answer.seconds < 2
        sender = Sender(loopback=True, resolver=Resolver(asleep), seconds=0.2)
        answer = await sender.send(f"http://{NAME}:{receiver.port}/", {}, BODY)
        assert answer.failure is Failure.TIMED_OUT
        free.set()


async def test_an_answer_whose_body_is_late_is_an_answer() -> None:
    async with receiving() as receiver:
        receiver.always = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
        assert (await post(seconds=0.5).send(receiver.url, {}, BODY)).success


async def test_the_next_address_is_tried_while_none_connects() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.9", 0))  # nobody listens there
        async with receiving() as receiver:
            url = f"http://{NAME}:{receiver.port}/"
            assert (await post(Names(["127.0.0.9", "127.0.0.1"])).send(url, {}, BODY)).success
            gone = [f"127.0.0.{each}" for each in range(9, 9 + MOST_ADDRESSES)]
            answer = await post(Names([*gone, "127.0.0.1"])).send(url, {}, BODY)
            assert answer.failure is Failure.CONNECT_FAILED
            assert len(receiver.taken) == 1


async def test_an_unknown_name_and_a_closed_door() -> None:
    assert (await post(Names([])).send(f"https://{NAME}/", {}, BODY)).failure is Failure.NAME_UNKNOWN
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        answer = await post().send(f"http://127.0.0.1:{door.getsockname()[1]}/", {}, BODY)
    assert answer.failure is Failure.CONNECT_FAILED


async def test_ipv6() -> None:
    try:
        async with receiving(host="::1") as receiver:
            assert (await post().send(receiver.url, {}, BODY)).success
            assert receiver.taken[0].headers["host"] == f"[::1]:{receiver.port}"
            assert (await post(Names(["::1"])).send(f"http://{NAME}:{receiver.port}/", {}, BODY)).success
    except OSError:
        pytest.skip("there is no IPv6 here")


async def test_a_cancelled_one_leaves_nothing_open() -> None:
    async with receiving() as receiver:
        receiver.hold.clear()
        task = asyncio.create_task(post().send(receiver.url, {}, BODY))
        await receiver.count(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_environment_sets_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await post().send(receiver.url, {}, BODY)).success
        assert proxy.connections == 0


async def test_names_are_asked_for_as_they_are_and_by_so_many_at_once() -> None:
    busy, most, lock, go = 0, 0, threading.Lock(), threading.Event()

    def counting(host: str, port: int) -> list[str]:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        go.wait(5)
        with lock:
            busy -= 1
        return [str(ipaddress.ip_address("93.184.215.14"))]

    resolver = Resolver(counting, threads=3)
    asking = [asyncio.create_task(resolver.addresses(NAME, 443)) for _ in range(10)]
    while most < 3:  # noqa: ASYNC110 - threads tell nobody
        await asyncio.sleep(0.002)
    asking[0].cancel()
    go.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(each == ["93.184.215.14"] for each in found) >= 9
    assert most == 3


def test_the_system_is_asked_for_the_whole_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from keygw.outbound.resolver import look_up

    asked: list[Any] = []

    def getaddrinfo(host: Any, port: int, **more: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", port))] * 2

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert look_up(NAME, 443) == ["93.184.215.14"]
    look_up("localhost", 443)
    assert asked == [b"hooks.example.", b"localhost"]
