"""Issuer keys in an HSM, against a real SoftHSM2: made there, found by name, found again, and clear words otherwise."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.crypto.signer import verify
from keygw.model.errors import BadInput, SignerError
from keygw.store.pkcs11_uri import Pkcs11Uri

if TYPE_CHECKING:
    from tests.conftest import SoftHsm

    from keygw.store.hsm import Hsm


@pytest.fixture
def hsm(softhsm: SoftHsm) -> Iterator[Hsm]:
    from keygw.store.hsm import Hsm

    found = Hsm(softhsm.module, lambda: softhsm.pin)
    yield found
    found.close()


def uri(name: str, label: str = "keygw") -> Pkcs11Uri:
    return Pkcs11Uri(token=label, object=name)


def test_the_key_is_made_in_the_module_and_cannot_leave_it(hsm: Hsm, softhsm: SoftHsm) -> None:
    import pkcs11
    from pkcs11 import Attribute, ObjectClass

    made = hsm.open_or_generate(uri("made"))
    assert hsm.open_or_generate(uri("made")).public_key == made.public_key
    session = pkcs11.lib(str(softhsm.module)).get_token(token_label="keygw").open()
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: "made"}))
    assert len(found) == 1
    key = found[0]
    told = (Attribute.SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL, Attribute.SIGN, Attribute.EXTRACTABLE)
    assert [key[each] for each in told] == [True, True, True, True, False]
    with pytest.raises(pkcs11.AttributeSensitive):
        key[Attribute.VALUE]
    session.close()


def test_it_is_found_by_its_label_by_its_id_and_by_the_serial_of_its_token(hsm: Hsm, softhsm: SoftHsm) -> None:
    import pkcs11

    by_label = hsm.open_or_generate(Pkcs11Uri(token="keygw", object="found", id=b"\x00\xff;"))
    serial = pkcs11.lib(str(softhsm.module)).get_token(token_label="keygw").serial.decode()
    for text in (
        "pkcs11:token=keygw;object=found",
        "pkcs11:token=keygw;id=%00%FF%3B",
        f"pkcs11:serial={serial};object=found;type=private",
        "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;token=keygw;object=found",
    ):
        assert hsm.open(Pkcs11Uri.parse(text)).public_key == by_label.public_key


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pkcs11:token=keygw;object=nobody", "hsm_key_missing"),
        ("pkcs11:token=keygw", "hsm_key_missing"),
        ("pkcs11:token=nowhere;object=made", "hsm_unavailable"),
        ("pkcs11:token=keygw;model=Another;object=made", "hsm_unavailable"),
    ],
)
def test_what_is_not_there_is_said(hsm: Hsm, text: str, code: str) -> None:
    with pytest.raises(SignerError) as caught:
        hsm.open(Pkcs11Uri.parse(text))
    assert caught.value.code == code


def test_a_key_of_another_kind_is_refused(hsm: Hsm, softhsm: SoftHsm) -> None:
    import pkcs11
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    def curve(name: str) -> pkcs11.DomainParameters:
        return session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(name)}, local=True
        )

    session = pkcs11.lib(str(softhsm.module)).get_token(token_label="other").open(rw=True, user_pin=softhsm.pin)
    curve("secp384r1").generate_keypair(label="p384", id=b"1", store=True)
    session.generate_keypair(KeyType.RSA, 2048, label="rsa", id=b"2", store=True)
    curve("secp256r1").generate_keypair(label="twins", id=b"3", store=True)
    strange, _private = curve("secp256r1").generate_keypair(label="twins", id=b"4", store=True)
    public, _private = curve("secp256r1").generate_keypair(label="lonely", id=b"5", store=True)
    public.destroy()
    # A public key that is not the private one's: it must be seen before anything is signed with it.
    public, _private = curve("secp256r1").generate_keypair(label="crossed", id=b"6", store=True)
    public.destroy()
    strange.copy({Attribute.LABEL: "crossed", Attribute.ID: b"6"})
    session.close()
    for name in ("p384", "rsa", "twins", "lonely", "crossed"):
        with pytest.raises(SignerError) as caught:
            hsm.open(uri(name, "other"))
        assert caught.value.code == "hsm_key_unfit", name


def test_a_wrong_pin_is_said_once_and_never_tried_again(softhsm: SoftHsm) -> None:
    from keygw.store.hsm import Hsm

    asked: list[str] = []

    def pin() -> str:
        asked.append("once")
        return "wrong"

    hsm = Hsm(softhsm.module, pin)
    for _ in range(3):
        with pytest.raises(SignerError) as caught:
            hsm.open(uri("made"))
        assert caught.value.code == "hsm_pin_wrong"
        assert not caught.value.retryable
        assert "wrong" not in str(caught.value)
    hsm.close()
    assert asked == ["once"]


@pytest.mark.parametrize("name", ["absent.so", "text.so"])
def test_a_module_that_is_none_is_said(tmp_path: Path, softhsm: SoftHsm, name: str) -> None:
    from keygw.store.hsm import Hsm

    (tmp_path / "text.so").write_text("not a library")
    hsm = Hsm(tmp_path / name, lambda: softhsm.pin)
    with pytest.raises(SignerError) as caught:
        hsm.open(uri("made"))
    hsm.close()
    assert caught.value.code == "hsm_module_missing"


def test_a_session_that_was_lost_is_opened_anew(hsm: Hsm, softhsm: SoftHsm) -> None:
    import pkcs11

    signer = hsm.open_or_generate(uri("lost"))
    library = pkcs11.lib(str(softhsm.module))
    library.finalize()  # every session and log-in of the process is gone, as after a restart of the module's service
    verify(signer.public_key, signer.sign(b"message"), b"message")


def test_a_token_that_was_pulled_is_away_until_it_is_back(hsm: Hsm, softhsm: SoftHsm, tmp_path: Path) -> None:
    import pkcs11

    signer = hsm.open_or_generate(uri("pulled"))
    pulled = tmp_path / "tokens"
    library = pkcs11.lib(str(softhsm.module))
    shutil.copytree(softhsm.folder, pulled)
    for token in softhsm.folder.iterdir():
        shutil.rmtree(token)
    library.finalize()
    try:
        for _ in range(2):
            with pytest.raises(SignerError) as caught:
                signer.sign(b"message")
            assert caught.value.code == "hsm_unavailable"
            assert caught.value.retryable
    finally:
        for token in pulled.iterdir():
            shutil.copytree(token, softhsm.folder / token.name)
    verify(signer.public_key, signer.sign(b"message"), b"message")


def test_another_key_of_the_same_name_does_not_take_its_place(hsm: Hsm, softhsm: SoftHsm) -> None:
    import pkcs11
    from pkcs11 import Attribute

    signer = hsm.open_or_generate(uri("replaced"))
    library = pkcs11.lib(str(softhsm.module))
    session = library.get_token(token_label="keygw").open(rw=True)
    for found in list(session.get_objects({Attribute.LABEL: "replaced"})):
        found.destroy()
    session.close()
    hsm.open_or_generate(uri("replaced"))
    with pytest.raises(SignerError) as caught:
        signer.sign(b"message")
    assert caught.value.code == "hsm_key_unfit"


def test_without_the_extra_nothing_but_the_hsm_is_missing() -> None:
    """Everything else of the house is imported without ``pkcs11``."""
    code = "import sys, keygw.app.gateway, keygw.cli.main, keygw.store.store; sys.exit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file:issuer.pem",
        "pkcs11:",
        "pkcs11:object=issuer",
        "pkcs11:token=a;token=b",
        "pkcs11:token=a;slot-id=3",
        "pkcs11:token=a;type=public",
        "pkcs11:token=a%2",
        "pkcs11:token=%FF",
        "pkcs11:token=a b",
        "pkcs11:token=a;object=b?pin-value=1234",
        "pkcs11:token=a;object=b?module-path=/tmp/evil.so",
        "pkcs11:token=a?",
        "pkcs11:token=a;x-vendor=1",
        "pkcs11:token=a;;object=b",
        "pkcs11:token=" + "a" * 512,
    ],
)
def test_a_uri_that_is_none_or_tells_too_much_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        Pkcs11Uri.parse(text)
    assert caught.value.code == "bad_signer"
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        Pkcs11Uri(token="keygw", object="issuer"),
        Pkcs11Uri(token="a token; with = signs?", id=bytes(range(256))[:40]),
        Pkcs11Uri(serial="0a1b", manufacturer="M%", model="ü", object="o/o"),
    ],
)
def test_a_uri_has_one_spelling(given: Pkcs11Uri) -> None:
    assert Pkcs11Uri.parse(str(given)) == given
    assert str(Pkcs11Uri.parse(str(given))) == str(given)
