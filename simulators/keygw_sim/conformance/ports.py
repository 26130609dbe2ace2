"""What a check needs from the world: a ground to meet the vehicle on, and hands inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keygw_sim.conformance.verdict import Skip


@dataclass(frozen=True, slots=True)
class Advertised:
    """One advertisement as it was heard. ``others``: names of what it holds beside service and name.

    ``raw``: its bytes, where the radio gives them."""

    address: str
    name: str | None
    services: tuple[str, ...]
    others: tuple[str, ...] = ()
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Layout:
    """The characteristics of the service: UUID and properties, as GATT shows them."""

    characteristics: tuple[tuple[str, frozenset[str]], ...]


class Wire(Protocol):
    """One connection to the vehicle, nothing done on it yet. ``Gone`` is a ``LinkError``."""

    @property
    def max_frame(self) -> int:
        """Bytes that a frame may have now."""

    async def layout(self) -> Layout | None:
        """What GATT shows; ``None`` where there is none (links in memory)."""

    async def read_info(self) -> bytes: ...

    async def subscribe(self) -> None: ...

    async def send(self, frame: bytes) -> None:
        """One write to RX. ``LinkError`` once the link is gone."""

    async def receive(self, seconds: float) -> bytes | None:
        """The next notification; ``None`` if none comes in that time. ``LinkError`` once gone and all is read."""

    async def close(self) -> None: ...


class Ground(Protocol):
    """Where the vehicle is met. ``answer_s``: how long it may take for an answer; ``quiet_s``: how long to listen for
    what must not come."""

    answer_s: float
    quiet_s: float
    in_memory: bool

    def clock(self) -> float:
        """Seconds; only differences count."""

    async def pass_time(self, seconds: float) -> None:
        """Let that much time go by for both sides. ``Skip`` if it would be longer than anybody wants to wait."""

    async def hear(self, seconds: float) -> list[Advertised]:
        """The next advertisements of the vehicle under test, waiting so long for the first."""

    async def connect(self) -> Wire:
        """``LinkError`` if it is not there."""

    async def close(self) -> None: ...


class Hands(Protocol):
    """Somebody in the vehicle. Each may raise ``Skip``: nobody sits there."""

    async def set_body(self, **changes: object) -> None: ...

    async def open_pairing(self) -> str:
        """Open pairing mode; the code that is shown. ``Conflict`` if the vehicle will not."""

    async def remove_key(self, key_id: str) -> None:
        """Remove that key at the head unit."""

    async def reboot(self) -> None: ...


class NoHands:
    """A board on a desk, with nobody to press its buttons."""

    async def set_body(self, **changes: object) -> None:
        raise _nobody("move its body")

    async def open_pairing(self) -> str:
        raise _nobody("open pairing mode")

    async def remove_key(self, key_id: str) -> None:
        raise _nobody("remove a key")

    async def reboot(self) -> None:
        raise _nobody("switch it off and on")


def _nobody(what: str) -> Skip:
    return Skip(f"somebody at the vehicle must {what}: --operator says when")
