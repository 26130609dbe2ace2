"""Everything that can be set, with its meaning, its default and what it may be. One model; ``load`` fills it.

To add a setting, add a field with a ``description``: its name in the file is the field's, its variable is ``KEYGW_``
with that name in capitals, and the reference page is drawn from here (``python tools/make_configuration.py``). A
``SecretStr`` is a secret: it is taken from its variable, or from a file that ``<name>_file`` names, and is never shown.
An option of ``keygw serve`` is another step (``cli/serve.py``), for settings that people change from one start to the
next; a secret never gets one.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from keygw.api.age import parse_client
from keygw.app.addresses import gateway_url, host_and_port, is_loopback

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(
        description="Directory of database and keys, made at the first start for its owner alone. "
        "Default: the place that the system has for a user's data"
    )
    database: SecretStr | None = Field(
        default=None,
        description="A PostgreSQL database in place of the file in `data`: `postgresql://USER:PASSWORD@HOST/NAME`; "
        "options such as `sslmode=verify-full` follow a `?`. The option takes none with a password in it",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    radio: str = Field(default="system", description="`system`, `none`, or a Bumble transport such as `usb:0`")
    radio_slots: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Vehicles that the radio is connected to at once; idle links give way to commands that wait. "
        "Default: 5 for `system`, 128 for a transport",
    )
    presence: bool = Field(
        default=False,
        description="Listen all the time, and tell which vehicles come near, leave and are gone. The radio then never "
        "rests",
    )
    location_kept_seconds: int = Field(
        default=900,
        ge=0,
        le=31 * 86_400,
        description="For how long after the vehicle told it a gateway knows where the vehicle is; it is dropped then, "
        "and readers are told when. 0: it is never taken in",
    )
    trace: Path | None = Field(
        default=None,
        description="A new file for all that goes over a Bumble transport, as btsnoop; read it with `keygw trace`. "
        "Default: nothing is written down",
    )
    public_url: str | None = Field(
        default=None,
        max_length=200,
        description="Where phones find this gateway, such as `https://keys.example`: links of invitations begin with "
        "it, and the addresses of status lists. Default: where it listens",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Networks (CIDR) of the proxies in front: `X-Forwarded-For`, `-Proto` and `-Host` are believed "
        "from them, and from nobody else",
    )
    minimum_clients: tuple[str, ...] = Field(
        default=(),
        description="The oldest version of each client that is served, such as `garage/2.1`; older ones are told to "
        "update (`client_too_old`). Clients name themselves in `Keygw-Client`, or first in their User-Agent",
    )
    webhooks_allow_loopback: bool = Field(
        default=False,
        description="Let webhooks go to this very machine, over plain http too: to try them out. Whoever may make one "
        "reaches every service that listens here",
    )
    tls_cert: Path | None = Field(default=None, description="Certificate chain, PEM: serve https (TLS 1.2 and 1.3)")
    tls_key: Path | None = Field(default=None, description="Private key of that certificate, PEM, not encrypted")
    policy: Path | None = Field(
        default=None,
        description="TOML file of limits, access profiles and attestation. Default: `policy.toml` in the data "
        "directory, if it is there",
    )
    unsafe_cleartext: bool = Field(
        default=False,
        description="Allow plain http beyond this machine, for listening and in `public_url`. Everybody on the way can "
        "read the tokens",
    )
    issuer_passphrase: SecretStr | None = Field(default=None, description="Encrypts the issuer's key files")
    issuer_keys: str = Field(
        default="file",
        description="Where the issuer's keys are made: `file`, or a PKCS#11 URI that names token and key, such as "
        "`pkcs11:token=keygw;object=garage`",
    )
    hsm_module: Path | None = Field(default=None, description="The PKCS#11 module (a library) of the HSM")
    hsm_pin: SecretStr | None = Field(default=None, description="The PIN of the HSM's token")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="How much stderr is told"
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How it is told: for people, or one object a line"
    )

    metrics: str | None = Field(
        default=None,
        description="Address and port for Prometheus, such as `127.0.0.1:9464`, apart from the API. "
        "Default: no metrics",
    )
    otel_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP base address for traces, such as `http://127.0.0.1:4318`; needs the extra `otel`. "
        "Default: no traces",
        json_schema_extra={"also": "OTEL_EXPORTER_OTLP_ENDPOINT"},
    )

    @field_validator("database")
    @classmethod
    def _database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise wrong("bad_setting", "it must begin with postgresql://")
        return value

    @field_validator("radio")
    @classmethod
    def _radio(cls, value: str) -> str:
        if not value.strip():
            raise wrong("bad_radio", "an empty radio says nothing; use system, none, or tcp-client:HOST:PORT")
        return value

    @model_validator(mode="after")
    def _traced(self) -> Self:
        if self.trace is not None and self.radio in ("system", "none"):
            raise wrong("bad_setting", "a trace is of a Bumble transport; the operating system has tools of its own")
        return self

    @field_validator("public_url", "otel_endpoint")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        try:
            return None if value is None else gateway_url(value)
        except ValueError as error:
            raise wrong("bad_url", str(error)) from None

    @field_validator("metrics")
    @classmethod
    def _metrics(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                host_and_port(value)
        except ValueError as error:
            raise wrong("bad_setting", str(error)) from None
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                network = ipaddress.ip_network(each)
            except ValueError:
                raise wrong("bad_setting", f"{each[:50]!r} is not a network; write it like 10.0.0.0/8") from None
            if network.prefixlen == 0:
                raise wrong("bad_setting", f"{each} would believe everybody; name the networks of your proxies")
        return value

    @field_validator("minimum_clients")
    @classmethod
    def _clients(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                parse_client(each)
            except ValueError as error:
                raise wrong("bad_setting", f"{each[:60]!r}: {error}") from None
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise wrong("bad_setting", "tls_cert and tls_key belong together")
        if self.unsafe_cleartext:
            return self
        if self.tls_cert is None and not is_loopback(self.host):
            raise wrong(
                "clear_text",
                f"on {self.host} tokens would cross the network in clear text: set tls_cert and tls_key, or listen on "
                "127.0.0.1 behind a TLS proxy; unsafe_cleartext listens there all the same",
            )
        public = urlsplit(self.public_url or "https:")
        if public.scheme == "http" and not is_loopback(public.hostname or ""):
            raise wrong(
                "clear_text",
                f"to {self.public_url} friends would send the secrets of their invitations in clear text: name an "
                "https:// address; unsafe_cleartext takes this one all the same",
            )
        return self

    @property
    def proxies(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(each) for each in self.trusted_proxies)


def wrong(code: str, detail: str) -> PydanticCustomError:
    """A value that cannot be; ``detail`` may say it, so secrets are never validated this way."""
    # Braces would be taken for the places of a template.
    return PydanticCustomError(code, "{detail}", {"detail": detail})
