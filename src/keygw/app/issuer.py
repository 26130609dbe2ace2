"""Where the issuer's keys are kept, as the settings say."""

from __future__ import annotations

from keygw.app.settings import Settings
from keygw.model.errors import BadInput, SignerError, StoreError
from keygw.store.signers import SignerPlaces
from keygw.store.store import Store


def signer_places(store: Store, settings: Settings) -> SignerPlaces:
    """``StoreError`` bad_signer if ``issuer_keys`` names no place. The HSM is not touched before it is needed."""
    passphrase, pin = settings.issuer_passphrase, settings.hsm_pin

    def told_pin() -> str:
        if pin is None:
            raise SignerError("the HSM wants a PIN: set hsm_pin_file or KEYGW_HSM_PIN", code="hsm_pin_wrong")
        return pin.get_secret_value()

    try:
        return SignerPlaces(
            store.directory,
            place=settings.issuer_keys,
            passphrase=None if passphrase is None else passphrase.get_secret_value().encode(),
            module=settings.hsm_module,
            pin=told_pin,
            may_create=not store.issued_any,
        )
    except BadInput as error:
        raise StoreError(f"issuer_keys: {error}", code="bad_signer") from error
