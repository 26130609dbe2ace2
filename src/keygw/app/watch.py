"""Who looks on in this process: figures and traces, each if it is set. What is not set costs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from keygw import __version__
from keygw.app.settings import Settings
from keygw.bridge.records import CommandRecord
from keygw.model.errors import KeygwError
from keygw.store.group import Fetch
from keygw.vehicle.values import LinkStatus

if TYPE_CHECKING:
    from keygw.telemetry.metrics import Metrics
    from keygw.telemetry.tracing import Tracing

T = TypeVar("T")
OnLink = Callable[[str, LinkStatus], None]
CONTACTS = frozenset({"connect", "execute", "settle", "sync_list", "pair", "discover"})
"""What the fleet does over the air."""


class Watch:
    """The observer of every room, as each of their ports wants it. ``KeygwError`` extra_missing."""

    def __init__(self, settings: Settings) -> None:
        self.metrics: Metrics | None = None
        self._tracing: Tracing | None = None
        if settings.metrics is not None:
            from keygw.telemetry.metrics import Metrics

            self.metrics = Metrics(__version__)
        if settings.otel_endpoint is not None:
            self._tracing = load_tracing().Tracing.otlp(__version__, settings.otel_endpoint)

    async def close(self) -> None:
        if self._tracing is not None:
            await self._tracing.close()

    def answered(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        """``api.watcher.Watcher``."""
        if self.metrics is not None:
            self.metrics.answered(method, route, status, code, seconds)

    def settled(self, record: CommandRecord) -> None:
        """``bridge.ledger.OnSettled``."""
        if self.metrics is not None:
            self.metrics.settled(record)

    def webhook(self, outcome: str, seconds: float) -> None:
        """``bridge.webhook_mail.OnAttempt``."""
        if self.metrics is not None:
            self.metrics.webhook(outcome, seconds)

    def committed(self, works: int, seconds: float) -> None:
        """For ``store``'s group commit."""
        if self.metrics is not None:
            self.metrics.committed(works, seconds)
        if self._tracing is not None:
            self._tracing.committed(works, seconds)

    def links(self, further: OnLink) -> OnLink:
        """For the fleet's ``on_link``: look, and hand on."""
        metrics = self.metrics
        if metrics is None:
            return further

        def on_link(vehicle_id: str, status: LinkStatus) -> None:
            metrics.link(vehicle_id, status)
            further(vehicle_id, status)

        return on_link

    def operations(self, service: T) -> T:
        """The credential service, traced."""
        return service if self._tracing is None else self._tracing.around(service, "credentials")

    def contacts(self, fleet: T) -> T:
        """The fleet, traced in what it does over the air."""
        return fleet if self._tracing is None else self._tracing.around(fleet, "vehicle", CONTACTS)

    def requests(self, http: object) -> object:
        """The ASGI application, traced."""
        return http if self._tracing is None else self._tracing.requests(http)

    @asynccontextmanager
    async def counting(self, fetch: Fetch, streams: Callable[[], int], overdue: int) -> AsyncIterator[None]:
        """While the block lasts: count what lies in the database, now and then, and event streams when asked."""
        if self.metrics is None:
            yield
            return
        from keygw.app.sampling import sampling

        self.metrics.streams(streams)
        async with sampling(self.metrics, fetch, overdue):
            yield


def load_tracing() -> ModuleType:
    """``keygw.telemetry.tracing``, if its library is installed."""
    try:
        from keygw.telemetry import tracing
    except ImportError as error:
        raise KeygwError(
            "traces need the extra otel, which is not installed: pip install 'keygw[otel]', or set no otel_endpoint",
            code="extra_missing",
        ) from error
    return tracing
