"""Where webhooks never go, however it is spelled (server-side request forgery)."""

from __future__ import annotations

import ipaddress

import pytest

from keygw.bridge.webhook_targets import TargetRefused, check_addresses, is_public, parse_target

PUBLIC_4, PUBLIC_6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:20::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public_is_refused_as_a_literal_and_as_an_answer_of_the_resolver(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    for look in (
        lambda: parse_target(f"https://{host}/hook"),
        lambda: check_addresses("https", [address]),
        lambda: check_addresses("https", [PUBLIC_4, address]),
        lambda: check_addresses("https", [address, PUBLIC_6]),
    ):
        with pytest.raises(TargetRefused) as caught:
            look()
        assert caught.value.code == "webhook_address_refused"
        assert address not in str(caught.value), "who asks learns nothing of what a name stands for"


@pytest.mark.parametrize(
    "address", [PUBLIC_4, "1.1.1.1", "100.63.255.255", "172.32.0.1", "192.167.0.1", "223.255.255.255", PUBLIC_6,
                "2a00:1450:4001:810::200e", "2400:cb00::1"],
)  # fmt: skip
def test_what_is_public_is_allowed(address: str) -> None:
    assert check_addresses("https", [address]) == [ipaddress.ip_address(address)]


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # 127.0.0.1 in one decimal number
        "017700000001",
        "0x7f000001",
        "0x7F000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "1.1.1.1.1",
        "127.0.0.1.",
        "0x7f.1",
        "example.0x",
        "[::1%25lo]",
        "[::ffff:127.0.0.1%251]",
        "[fe80::1%25eth0]",
        "[0:0:0:0:0:0:0:0:1]",
        "[127.0.0.1]",
        "127\u30020\u30020\u30021",  # ideographic full stops, which browsers take for dots
        "\u2460\u2461\u2466.0.0.1",  # numbers in circles
        "\uff11\uff12\uff17.0.0.1",
        "loc\u0430lhost",
        "b\u00fccher.example",
        "example..com",
        "-example.com",
        "example.com.",
        "exa_mple.com",
        f"{'a' * 64}.com",
        f"{'a.' * 130}com",
        "intranet",
        "",
    ],
)
def test_a_host_has_one_spelling(host: str) -> None:
    with pytest.raises(TargetRefused) as caught:
        parse_target(f"https://{host}/hook")
    assert caught.value.code == "webhook_url_refused"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "a.localhost"])
def test_this_machine_by_its_name(host: str) -> None:
    with pytest.raises(TargetRefused) as caught:
        parse_target(f"https://{host}/hook")
    assert caught.value.code == "webhook_address_refused"
    assert parse_target(f"https://{host}/hook", loopback=True).address is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https:\\\\example.com",
        "https://example.com\\@10.0.0.1/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com@10.0.0.1/",
        "https://example.com:443@10.0.0.1/",
        "https://10.0.0.1#@example.com/",
        "https://example.com/#fragment",
        "https://example.com#",
        "https://exam ple.com/",
        "https://example.com/a b",
        "https://example.com/\t",
        "https://example.com/\n",
        "https://exa\nmple.com/",
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com/%",
        "https://example.com/%g0",
        "https://example.com/\u00e9",
        "https://example.com/{a}",
        "https://example.com:/",
        "https://example.com:0/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:1023/",
        "https://example.com:65536/",
        "https://example.com:443:443/",
        "https://example.com:+443/",
        "https://example.com:\u0664\u0664\u0663/",
        "https://example.com/" + "a" * 500,
        "",
    ],
)
def test_a_url_is_read_by_one_strict_grammar(url: str) -> None:
    with pytest.raises(TargetRefused) as caught:
        parse_target(url)
    assert caught.value.code == "webhook_url_refused"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "place", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("HTTPS://Example.COM/Hook?a=b%20c&d=/?", "example.com", 443, "/Hook?a=b%20c&d=/?", "example.com"),
        ("https://example.com:443?x", "example.com", 443, "/?x", "example.com"),
        ("https://example.com:8443/", "example.com", 8443, "/", "example.com:8443"),
        ("https://example.com:80/", "example.com", 80, "/", "example.com:80"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        (f"https://{PUBLIC_4}/", PUBLIC_4, 443, "/", PUBLIC_4),
        (f"https://[{PUBLIC_6.upper()}]:8443/", PUBLIC_6, 8443, "/", f"[{PUBLIC_6}]:8443"),
    ],
)
def test_what_is_taken(url: str, host: str, port: int, place: str, authority: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.place, target.authority) == (host, port, place, authority)
    assert target.scheme == "https"


def test_the_switch_allows_this_machine_and_nothing_else() -> None:
    for url in ("http://127.0.0.1:8080/x", "https://127.0.0.1:8443/x", "http://[::1]:8080/x", "http://127.8.9.1:8080/"):
        assert parse_target(url, loopback=True).address is not None
        with pytest.raises(TargetRefused):
            parse_target(url)
    for address in set(NOT_PUBLIC) - {"127.0.0.1", "127.255.255.254", "::1"}:
        for scheme in ("http", "https"):
            with pytest.raises(TargetRefused):
                check_addresses(scheme, [address], loopback=True)
    with pytest.raises(TargetRefused, match="public"):
        check_addresses("http", [PUBLIC_4], loopback=True)  # in clear text nowhere but here
    with pytest.raises(TargetRefused):
        check_addresses("http", ["127.0.0.1", PUBLIC_4], loopback=True)


@pytest.mark.parametrize("answer", [[], ["fe80::1%eth0"], ["2606:2800::1%eth0"], ["nonsense"], ["127.0.0.1\0"]])
def test_strange_answers_of_a_resolver_are_refused(answer: list[str]) -> None:
    with pytest.raises(TargetRefused):
        check_addresses("https", answer)
