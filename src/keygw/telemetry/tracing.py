"""OpenTelemetry traces over OTLP/HTTP: requests, operations of the credential service, commits, what goes on the link.

Off unless an address is set, and then nothing of it is in the way: what is not traced is not wrapped. A span names
what was done and how it ended. It never holds an id, a query, a body or the text of an error.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Generic, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EXPORT_SECONDS = 5.0
"""How long one delivery may take, and how long the end of the gateway waits for the last one."""


class Tracing:
    """``processor``: where ended spans go. The SDK's own variables (``OTEL_TRACES_SAMPLER`` and so on) hold."""

    def __init__(self, version: str, processor: SpanProcessor) -> None:
        resource = Resource.create({"service.name": "keygw", "service.version": version})
        # Not the process's global provider: two gateways in one process would share it.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("keygw", version)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def otlp(cls, version: str, endpoint: str) -> Tracing:
        """Deliver to that base address, in batches, from a thread of the SDK's."""
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=EXPORT_SECONDS)
        return cls(version, BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000))

    async def close(self) -> None:
        """Deliver what is left, for a few seconds at most."""
        await asyncio.to_thread(self._provider.shutdown)

    def requests(self, app: object) -> App:
        """The ASGI application with a span for each request; a ``traceparent`` (W3C) is continued."""
        inner = cast("App", app)

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await inner(scope, receive, send)
                return
            parent = self._propagator.extract(_trace_headers(scope))
            method = scope["method"]
            with self._tracer.start_as_current_span(
                method, parent, SpanKind.SERVER, {"http.request.method": method, "url.scheme": scope["scheme"]},
                record_exception=False, set_status_on_exception=False,
            ) as span:  # fmt: skip

                async def noted(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        status = message["status"]
                        route = str(getattr(scope.get("route"), "path", "-"))
                        span.update_name(f"{method} {route}")
                        span.set_attributes({"http.route": route, "http.response.status_code": status})
                        if status >= 500:
                            span.set_status(StatusCode.ERROR)
                    await send(message)

                await inner(scope, receive, noted)

        return traced

    def around(self, target: T, room: str, names: Collection[str] | None = None) -> T:
        """``target`` with a span around its coroutine functions: all public ones, or those with these names."""
        return cast("T", _Traced(target, self._tracer, room, names))

    def committed(self, works: int, seconds: float) -> None:
        """A commit that has just ended: one span for all the works that shared it."""
        end = time.time_ns()
        span = self._tracer.start_span(
            "store.commit", context.Context(), SpanKind.INTERNAL, {"works": works},
            start_time=end - int(seconds * 1e9),
        )  # fmt: skip
        span.end(end)


class _Traced(Generic[T]):
    """Stands in for an object; what is not a coroutine function of its is passed through."""

    def __init__(self, target: T, tracer: trace.Tracer, room: str, names: Collection[str] | None) -> None:
        self._target = target
        self._tracer = tracer
        self._room = room
        self._names = names
        self._wrapped: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name in self._wrapped:
            return self._wrapped[name]
        found = getattr(self._target, name)
        wanted = not name.startswith("_") if self._names is None else name in self._names
        if not wanted or not inspect.iscoroutinefunction(found):
            return found

        async def traced(*args: Any, **kwargs: Any) -> Any:
            with self._tracer.start_as_current_span(
                f"{self._room}.{name}", record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    return await found(*args, **kwargs)
                except BaseException as error:
                    # Its class and its code say enough; its words may hold what no trace should.
                    span.set_status(StatusCode.ERROR)
                    span.set_attribute("error.type", str(getattr(error, "code", type(error).__name__)))
                    raise

        self._wrapped[name] = traced
        return traced


def trace_ids(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For logs: which trace and span a line belongs to, where there is one."""
    found = trace.get_current_span().get_span_context()
    if found.is_valid:
        event["otel_trace_id"] = f"{found.trace_id:032x}"
        event["otel_span_id"] = f"{found.span_id:016x}"
    return event


def _trace_headers(scope: Scope) -> dict[str, str]:
    """What W3C Trace Context reads; twice the same header is none."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if name in (b"traceparent", b"tracestate"):
            found.setdefault(name.decode(), []).append(value.decode("latin-1"))
    return {name: ",".join(values) for name, values in found.items() if name == "tracestate" or len(values) == 1}
