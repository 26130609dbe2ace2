"""Signatures, held to the example of the Standard Webhooks specification and to a verifier that is not ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from random import Random

import pytest

from keygw.bridge.webhook_signature import message_id, new_secret, secret_text, signed_headers

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def test_the_published_example() -> None:
    assert signed_headers([base64.b64decode(SECRET)], MESSAGE, AT, BODY) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_and_the_newest_comes_first(rng: Random) -> None:
    secrets = [new_secret(rng.randbytes), base64.b64decode(SECRET)]
    told = signed_headers(secrets, MESSAGE, AT, BODY)["webhook-signature"].split(" ")
    for secret, signature in zip(secrets, told, strict=True):
        version, _, text = signature.partition(",")
        assert version == "v1"
        expected = hmac.digest(secret, b"%s.%d.%s" % (MESSAGE.encode(), AT, BODY), hashlib.sha256)
        assert base64.b64decode(text, validate=True) == expected


def test_a_secret_is_told_as_the_libraries_take_it(rng: Random) -> None:
    secret = new_secret(rng.randbytes)
    prefix, text = secret_text(secret)[:6], secret_text(secret)[6:]
    assert prefix == "whsec_"
    assert base64.b64decode(text, validate=True) == secret
    assert 24 <= len(secret) <= 64


def test_an_id_is_read_in_one_way() -> None:
    assert message_id("17.1800000000") == "msg_17_1800000000"
    for message in ("17.1800000000", "a b", "a\n", "\u00e9"):
        with pytest.raises(ValueError, match="one word"):
            signed_headers([b"x" * 32], message, AT, BODY)
