"""What Prometheus reads. No id is ever a label: this program decides how many series there are, not its callers."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from keygw.bridge.records import CommandRecord
from keygw.model.digital_key import KeyState
from keygw.vehicle.values import LinkStatus

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WORKS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """One gateway's figures, in a registry of their own. Its methods are quick and raise nothing; one event loop."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        build = self._gauge("keygw_build_info", "Release of the gateway; always 1", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        self._requests = self._counter("keygw_http_requests", "Answers, by route", "method", "route", "status")
        self._latency = Histogram(
            "keygw_http_request_duration_seconds", "Time until an answer began", ("method", "route"),
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._problems = self._counter("keygw_problems", "Problem documents, by code", "code", "status")
        self._commands = self._counter("keygw_commands", "Commands that ended, by how", "action", "outcome")
        self._keys = self._gauge("keygw_keys", "Digital keys, by state, at the last count", "state")
        self._counted = self._gauge("keygw_keys_counted_timestamp_seconds", "When keys were counted last")
        self._waiting = self._gauge("keygw_lists_waiting", "Vehicles whose newest revocation list is not acknowledged")
        self._overdue = self._gauge("keygw_lists_overdue", "Those of them that wait for longer than overdue_seconds")
        self._links = self._gauge("keygw_links_up", "Vehicles with a link that stands")
        self._streams = self._gauge("keygw_event_streams", "Event streams that are open")
        self._works = Histogram(
            "keygw_store_commit_works", "Writers that shared one commit", buckets=_WORKS, registry=self._registry
        )
        self._commits = Histogram(
            "keygw_store_commit_duration_seconds", "Time of a commit, with its flush to the disk",
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._webhooks = self._gauge("keygw_webhooks", "Webhooks, by state, at the last count", "state")
        self._attempts = self._counter(
            "keygw_webhook_attempts", "Attempts at a delivery, by what came of it", "outcome"
        )
        self._sending = Histogram(
            "keygw_webhook_attempt_duration_seconds", "Time of an attempt, from the name to the answer",
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._up: set[str] = set()
        self._states: set[str] = set(KeyState)

    def answered(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        """``api.watcher.Watcher``."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(seconds)
        if code is not None:
            self._problems.labels(code, str(status)).inc()

    def settled(self, record: CommandRecord) -> None:
        """A command has ended; one that was unknown for a while ends twice."""
        self._commands.labels(record.command.action.label, record.state.value).inc()

    def link(self, vehicle_id: str, status: LinkStatus) -> None:
        """The link to a vehicle has changed."""
        if status.state == "disconnected":
            self._up.discard(vehicle_id)
        else:
            self._up.add(vehicle_id)
        self._links.set(len(self._up))

    def streams(self, count: Callable[[], int]) -> None:
        """Ask there how many event streams are open, whenever somebody reads."""
        self._streams.set_function(count)

    def committed(self, works: int, seconds: float) -> None:
        """A group of writers was committed, or given up together."""
        self._works.observe(works)
        self._commits.observe(seconds)

    def webhook(self, outcome: str, seconds: float) -> None:
        """One attempt at a delivery; ``outcome``: ``delivered``, or why not."""
        self._attempts.labels(outcome).inc()
        self._sending.observe(seconds)

    def webhooks(self, states: Mapping[str, int]) -> None:
        """What the last count in the database has found."""
        for state, number in states.items():
            self._webhooks.labels(state).set(number)

    def counted(self, keys: Mapping[str, int], waiting: int, overdue: int) -> None:
        """What the last count in the database has found. A state without keys is there, at 0."""
        self._states |= keys.keys()
        for state in self._states:
            self._keys.labels(state).set(keys.get(state, 0))
        self._waiting.set(waiting)
        self._overdue.set(overdue)
        self._counted.set(time.time())

    def text(self) -> bytes:
        """Everything, in the text format that Prometheus reads."""
        return generate_latest(self._registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, registry=self._registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self._registry)
