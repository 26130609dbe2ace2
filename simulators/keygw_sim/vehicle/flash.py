"""The car's flash memory: one JSON document, replaced atomically and synced before anything is acknowledged."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import astuple, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.entitlement import Entitlement
from keygw.model.errors import KeygwError, StoreError
from keygw.model.ids import id_bytes
from keygw.token.claims import KeyClaims
from keygw.token.grant import Grant

FORMAT = 3
"""Of the file; a newer one is refused, because what it says of revocation must not be misread.

1 knew no issuer key change: its keys are read as the first of their issuer. 2 knew no key that was removed in the car.
Either is written anew as 3."""
RECEIPTS_KEPT = 1024
ANSWERS_KEPT = 32
"""Commands remembered per digital key, so that a retry is answered and not repeated."""


COUNTS = 2**32
"""Boots, receipts and tickets are u32 on the air, and none of them ever wraps: a car at the end of one stops there."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key whose tokens and lists this car accepts. ``kid`` 8 bytes, ``public_key`` 33 bytes.

    ``sequence``: of the statement that it was learnt from, or what the provisioning says. ``retire_at`` 0: no end is
    known; else the key is a former one. ``statement``: digest of the last statement about it, empty without one.
    """

    issuer: str
    kid: bytes
    public_key: bytes
    sequence: int = 0
    not_before: int = 0
    retire_at: int = 0
    statement: bytes = b""


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A digital key that has opened a session here, or a parent in a verified chain."""

    index: int
    entitlements: int
    expires_at: int
    parent_id: str | None
    epoch: int
    issued_at: int
    depth: int
    max_depth: int
    not_before: int = 0
    device_key: bytes = b""
    """33 bytes; empty in what a release before grants has stored, which is then nobody's parent."""

    @classmethod
    def of(cls, claims: KeyClaims) -> EnrolledKey:
        return cls(
            claims.index,
            int(claims.entitlements),
            claims.expires_at,
            claims.parent_id,
            claims.epoch,
            claims.issued_at,
            claims.depth,
            claims.max_depth,
            claims.not_before,
            claims.device_key,
        )


@dataclass(frozen=True, slots=True)
class KeptGrant:
    """A verified grant, under the id of the key that stands on it. ``by``: the device key (33 bytes) that signed it."""

    grant: Grant
    by: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """A key that was removed in the car. ``receipt``: the sequence of the one that says so."""

    key_id: str
    epoch: int
    receipt: int


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """``ok``: it tells of something done, not of a refusal."""

    sequence: int
    key_id: str
    signed: bytes
    ok: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command number, for its retry."""

    number: int
    outcome: int
    receipt: int
    action: int


@dataclass(frozen=True, slots=True)
class PairingMemory:
    """What of owner pairing is written down. No code among it: ``record`` is (w0, L).

    ``opened_at``, ``allowed_until``: seconds since the start, hence of one start alone. ``ticketed``: thumbprint of the
    device that holds the newest ticket, until its owner token has come.
    """

    salt: bytes = b""
    record: bytes = field(default=b"", repr=False)
    opened_at: float = 0
    tries: int = 0
    approved: bool = False
    allowed_until: float = 0
    counter: int = 0
    ticketed: bytes = b""

    def after_reboot(self) -> PairingMemory:
        """Without what was counted in seconds: nobody can say how many have passed."""
        return replace(self, record=b"", opened_at=0, allowed_until=0)


@dataclass(slots=True)
class Memory:
    """Everything that survives a power cut."""

    vehicle_id: str
    name: str
    signer: LocalSigner
    advertising_key: bytes = field(repr=False)
    boot_epoch: int = 0
    issuers: list[Issuer] = field(default_factory=list)
    owners: list[bytes] = field(default_factory=list)
    """Thumbprints (32 bytes) of the device keys that may hold an owner key."""
    keys: dict[str, EnrolledKey] = field(default_factory=dict)
    tokens: dict[int, bytes] = field(default_factory=dict)
    """By key index, the newest token that has opened a session here: its device need not send it again."""
    grants: dict[str, KeptGrant] = field(default_factory=dict)
    removed: dict[int, Removed] = field(default_factory=dict)
    """By key index, the oldest first."""
    list_sequence: int = 0
    list_signed: bytes = b""
    time_floor: int = 0
    receipt_sequence: int = 0
    receipt_hash: bytes = bytes(32)
    receipts: list[StoredReceipt] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    pairing: PairingMemory = field(default_factory=PairingMemory)

    def draft(self) -> Memory:
        """A copy to change; its entries are shared, because none of them ever changes."""
        return replace(
            self,
            issuers=list(self.issuers),
            owners=list(self.owners),
            keys=dict(self.keys),
            tokens=dict(self.tokens),
            grants=dict(self.grants),
            removed=dict(self.removed),
            receipts=list(self.receipts),
            answers={key_id: list(kept) for key_id, kept in self.answers.items()},
        )

    def answer_to(self, key_id: str, number: int) -> Answer | None:
        return next((a for a in self.answers.get(key_id, ()) if a.number == number), None)

    def remember(self, key_id: str, answer: Answer) -> None:
        kept = self.answers.setdefault(key_id, [])
        kept.append(answer)
        del kept[:-ANSWERS_KEPT]

    def to_json(self) -> dict[str, Any]:
        return {
            "v": FORMAT,
            "vehicle_id": self.vehicle_id,
            "name": self.name,
            "vehicle_key": self.signer.to_pem().decode(),
            "advertising_key": _text(self.advertising_key),
            "boot_epoch": self.boot_epoch,
            "issuers": [[_plain(value) for value in astuple(issuer)] for issuer in self.issuers],
            "owners": [_text(owner) for owner in self.owners],
            "keys": {k: [*astuple(e)[:-1], _text(e.device_key)] for k, e in self.keys.items()},
            "grants": {k: [_text(g.by), *map(_plain, astuple(g.grant))] for k, g in self.grants.items()},
            "removed": [[index, *astuple(removed)] for index, removed in self.removed.items()],
            "tokens": [[index, _text(token)] for index, token in self.tokens.items()],
            "list_sequence": self.list_sequence,
            "list_signed": _text(self.list_signed),
            "time_floor": self.time_floor,
            "receipt_sequence": self.receipt_sequence,
            "receipt_hash": _text(self.receipt_hash),
            "receipts": [[r.sequence, r.key_id, _text(r.signed), r.ok] for r in self.receipts],
            "answers": {
                k: [[a.number, a.outcome, a.receipt, a.action] for a in kept] for k, kept in self.answers.items()
            },
            "body": self.body,
            "pairing": [_plain(value) for value in astuple(self.pairing)],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Memory:
        if data["v"] not in (1, 2, FORMAT):
            raise ValueError("written by another release")
        return cls(
            vehicle_id=data["vehicle_id"],
            name=data["name"],
            signer=LocalSigner.from_pem(data["vehicle_key"].encode()),
            advertising_key=_raw(data["advertising_key"]),
            boot_epoch=data["boot_epoch"],
            issuers=[_issuer(*entry) for entry in data["issuers"]],
            owners=[_raw(owner) for owner in data["owners"]],
            keys={k: EnrolledKey(*entry[:9], *map(_raw, entry[9:])) for k, entry in data["keys"].items()},
            grants={k: _grant(*entry) for k, entry in data.get("grants", {}).items()},
            removed={index: Removed(*entry) for index, *entry in data.get("removed", [])},
            tokens={index: _raw(token) for index, token in data.get("tokens", [])},
            list_sequence=data["list_sequence"],
            list_signed=_raw(data["list_signed"]),
            time_floor=data["time_floor"],
            receipt_sequence=data["receipt_sequence"],
            receipt_hash=_raw(data["receipt_hash"]),
            receipts=[StoredReceipt(n, key_id, _raw(signed), ok) for n, key_id, signed, ok in data["receipts"]],
            answers={k: [Answer(*a) for a in kept] for k, kept in data["answers"].items()},
            body=data["body"],
            pairing=_pairing(data["pairing"]) if "pairing" in data else PairingMemory(),
        )


class Flash:
    """``load`` and ``save`` one ``Memory`` under a folder. ``save`` returns once the bytes are on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "vehicle.json"

    def load(self) -> Memory | None:
        """What was saved last; ``None`` for a car fresh from the line. ``StoreError`` flash_damaged, flash_too_new."""
        if not self._file.exists():
            return None
        try:
            data = json.loads(self._file.read_text())
            if isinstance(data, dict) and isinstance(data.get("v"), int) and data["v"] > FORMAT:
                raise StoreError(
                    f"{self._file} was written by a newer release (format {data['v']}): update this one",
                    code="flash_too_new",
                )
            memory = Memory.from_json(data)
            id_bytes(memory.vehicle_id, "veh")
            _check(memory)
            for count in (memory.boot_epoch, memory.receipt_sequence, memory.pairing.counter):
                if count >= COUNTS - 1:
                    raise ValueError("a counter is used up")
            return memory
        except StoreError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, KeygwError) as error:
            raise StoreError(
                f"{self._file} is damaged: restore it, or remove it for a car fresh from the line", code="flash_damaged"
            ) from error

    def save(self, memory: Memory) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".tmp")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(memory.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)
        _sync_folder(self.folder)


def _pairing(values: list[Any]) -> PairingMemory:
    read: list[Any] = [_raw(value) if isinstance(value, str) else value for value in values]
    return PairingMemory(*read)


_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "bool": (bool,),
    "str": (str,),
    "bytes": (bytes,),
    "str | None": (str, type(None)),
    "dict[str, Any]": (dict,),
}


def _check(entry: Any) -> None:
    """Every field is of its type, and no number below 0: damage must show now, not when the car counts with it."""
    if isinstance(entry, dict | list):
        for inner in entry.values() if isinstance(entry, dict) else entry:
            _check(inner)
    elif is_dataclass(entry):
        for field_ in fields(entry):
            value = getattr(entry, field_.name)
            kinds = _KINDS.get(str(field_.type))
            if kinds is not None and (type(value) not in kinds or (type(value) is int and value < 0)):
                raise ValueError(f"{field_.name} is of another kind")
            _check(value)


def _issuer(issuer: str, kid: str, public_key: str, *more: Any) -> Issuer:
    """As format 2 writes it, or format 1, which has no more than the key."""
    numbers, statement = more[:3], more[3:]
    return Issuer(issuer, _raw(kid), _raw(public_key), *numbers, *map(_raw, statement))


def _grant(by: str, vehicle_id: str, parent_id: str, device: str, rights: int, *numbers: int) -> KeptGrant:
    return KeptGrant(Grant(vehicle_id, parent_id, _raw(device), Entitlement(rights), *numbers), _raw(by))


def _plain(value: object) -> object:
    """As JSON holds it."""
    return _text(value) if isinstance(value, bytes) else value


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, where the system can open a folder at all."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)


class MemoryFlash(Flash):
    """Flash memory without a disk. What is saved never changes afterwards: the car makes a draft for every change."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))
        self.kept: Memory | None = None

    def load(self) -> Memory | None:
        """Through JSON: what does not survive that would not survive a real one."""
        return None if self.kept is None else Memory.from_json(json.loads(json.dumps(self.kept.to_json())))

    def save(self, memory: Memory) -> None:
        self.kept = memory
