"""One cast for every target: keys that never change, and signatures that repeat, so that an input means one thing."""

from __future__ import annotations

from functools import cache, lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keygw.crypto.signer import LocalSigner
from keygw.model.ids import Random, format_id
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.identity import token_kid
from keygw.session.vehicle import VehicleSession
from keygw.token.cwt import encode_cwt
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw_sim.chance import chance
from keygw_sim.pairing_rehearsal import PairingStage
from keygw_sim.rehearsal import Stage


class SteadySigner:
    """ES256 with the nonce of RFC 6979: the same message gives the same signature, in every process."""

    def __init__(self, secret: int) -> None:
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        self.public_key = LocalSigner.from_secret(secret).public_key
        self.sign = lru_cache(maxsize=4096)(self._sign)

    def _sign(self, message: bytes) -> bytes:
        der = self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class EchoSigner:
    """Gives back a signature that was seen: what it seals is what was opened, if the form is canonical."""

    def __init__(self, signature: bytes) -> None:
        self.public_key = ISSUER.public_key
        self._signature = signature

    def sign(self, message: bytes) -> bytes:
        return self._signature


ISSUER, CAR, DEVICE = SteadySigner(0x1000), SteadySigner(0x1001), SteadySigner(0x1002)
"""The issuer and the car of ``protocols/key_token/vectors/keys.json``, so that the vectors are good seeds here."""
TRUST = TrustedIssuers([IssuerKey.of("https://keys.example", ISSUER.public_key)])
KID = TRUST.keys[0].kid
VEHICLE = format_id("veh", bytes.fromhex("a0a1a2a3a4a5a6a7a8a9"))


class SteadyStage(Stage):
    """A rehearsal that says the same bytes every time."""

    def __init__(self) -> None:
        super().__init__("fuzz")
        steady = _steady(self.office.signer)
        self.hand = KeyInHand(
            self.claims.key_id, encode_cwt(self.claims, steady, self.office.kid), self.claims.device_key
        )
        self.vehicle_signer, self.device_signer = _steady(self.vehicle_signer), _steady(self.device_signer)
        self.device = DeviceSession(self.vehicle, self.hand, self.info, chance("fuzz", "device"), self.now)

    def new_car(self, random: Random) -> VehicleSession:
        """It keeps the device's token, so that message_3 may name it."""
        return VehicleSession(
            self.vehicle.id,
            self.vehicle_signer.public_key,
            self.verify,
            self.info,
            random,
            self.now,
            lambda: [self.fast_key],
            lambda kid: self.hand.token if kid == token_kid(self.claims.index) else None,
        )


class SteadyPairingStage(PairingStage):
    """The same for pairing."""

    def __init__(self) -> None:
        super().__init__("fuzz")
        self.vehicle_signer, self.device_signer = _steady(self.vehicle_signer), _steady(self.device_signer)


def _steady(signer: object) -> SteadySigner:
    if not isinstance(signer, LocalSigner):
        raise TypeError("a rehearsal's signers are local ones")
    return _steady_of(signer._key.private_numbers().private_value)


@cache
def _steady_of(secret: int) -> SteadySigner:
    return SteadySigner(secret)
