"""OpenTelemetry traces of writes, from the request to the fan-out in each process (OTLP over HTTP).

Only a sampled write puts its trace into the event that it publishes; any other costs no more than
the sampling decision. This module needs the packages of the extra `otel`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from syncline_protocol import __version__
from syncline_protocol.errors import Refusal
from syncline_server.config.settings import Settings

from .logs import known
from .metrics import Limit, Meters
from .rate_limit import FixedWindow

__all__ = ["Cause", "Traces"]

Cause = Span
"""The span that caused work which another task does."""

EXPORT_TIMEOUT = 5.0
"""Seconds for the collector to accept a batch."""

FAREWELL_TIMEOUT = 2.0
"""Seconds that a stopping server waits until the last spans are sent."""

_W3C = TraceContextTextMapPropagator()


class Traces:
    """Makes the spans of one process. The current span of a task is the parent of new ones."""

    def __init__(self, settings: Settings, meters: Meters, worker: int) -> None:
        """Start a thread that exports spans; `settings.otlp_endpoint` must be set.

        `worker`: number of this process among the workers, from 0.
        """
        resource = Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME", "syncline"),
                "service.version": __version__,
                "process.pid": os.getpid(),
                "syncline.worker": worker,
            }
        )
        endpoint = f"{(settings.otlp_endpoint or '').rstrip('/')}/v1/traces"
        self._provider = TracerProvider(
            sampler=_sampler(settings.trace_ratio, settings.trace_limit, meters),
            resource=resource,
            shutdown_on_exit=False,
        )
        # The processor's queue is bounded; it drops spans that do not fit.
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT))
        )
        self._tracer = self._provider.get_tracer("syncline", __version__)
        # Log one line for each lost batch, not one for each attempt.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)

    async def stop(self) -> None:
        """Send the remaining spans for at most `FAREWELL_TIMEOUT` seconds."""
        # A daemon thread, not the loop's executor: the loop waits for its executor when it closes.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, FAREWELL_TIMEOUT)

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Span around an HTTP request; continues the trace named in the headers, if any.

        Yields:
            the span, which the block may end early.
        """
        attributes = {"http.request.method": method}
        span = self._tracer.start_span(method, _W3C.extract(headers), SpanKind.SERVER, attributes)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        finally:
            if span.is_recording():
                span.end()

    def end(
        self, span: Span, method: str, pattern: str | None, *, status: int, code: int | None
    ) -> None:
        """End the span of a request.

        Args:
            pattern: pattern of the route; None if no route matched.
            status: HTTP status of the reply.
            code: code of the refusal; None if the request succeeded.
        """
        span.set_attributes({f"syncline.{k}": v for k, v in known().items() if v is not None})
        span.set_attribute("http.response.status_code", status)
        if pattern is not None:
            span.update_name(f"{method} {pattern}")
            span.set_attribute("http.route", pattern)
        if code is not None:
            span.set_attribute("syncline.code", code)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def command(self, verb: str, address: str | None) -> AbstractContextManager[Span]:
        """Span around a command from a socket."""
        attributes = {} if address is None else {"syncline.object": address}
        return self._span(verb, SpanKind.SERVER, attributes)

    @contextmanager
    def commit(self, verb: str, address: str) -> Iterator[str]:
        """Span around a commit.

        Yields:
            the `traceparent` to put into the event; "" if the commit is not sampled.
        """
        attributes = {
            "db.system.name": "redis",
            "db.operation.name": verb,
            "syncline.object": address,
        }
        with self._span("commit", SpanKind.CLIENT, attributes) as span:
            carrier: dict[str, str] = {}
            if span.is_recording():
                _W3C.inject(carrier)
            yield carrier.get("traceparent", "")

    def fan_out(self, traceparent: str, address: str) -> AbstractContextManager[Span]:
        """Span around the fan-out of a received event; `traceparent` as `commit` yielded it."""
        remote = trace.get_current_span(_W3C.extract({"traceparent": traceparent}))
        context = remote.get_span_context()
        # Mark the parent as local, not remote: the sampler then keeps the commit's decision, and
        # does not count it against `trace_limit` again.
        parent = SpanContext(context.trace_id, context.span_id, False, context.trace_flags)
        return self._span(
            "fan-out",
            SpanKind.CONSUMER,
            {"syncline.object": address},
            trace.set_span_in_context(trace.NonRecordingSpan(parent)),
        )

    def cause(self) -> Cause:
        """The current span, to be passed to work that another task does."""
        return trace.get_current_span()

    def because_of(self, causes: Sequence[Cause | None]) -> AbstractContextManager[object]:
        """Context of work that one task does for several causes; its spans become children of the
        first sampled cause."""
        sampled = (cause for cause in causes if cause is not None and cause.is_recording())
        cause = next(sampled, trace.INVALID_SPAN)
        return trace.use_span(cause, record_exception=False, set_status_on_exception=False)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: Context | None = None
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            parent,
            kind,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Refusal as refusal:
                span.set_attribute("syncline.code", int(refusal.code))
                if refusal.code.status >= 500:
                    span.set_status(StatusCode.ERROR)
                raise
            except Exception:
                span.set_status(StatusCode.ERROR)
                raise


def _sampler(ratio: float, limit: int, meters: Meters) -> Sampler:
    """A sampler that follows the caller's decision, else takes the share `ratio`; both up to
    `limit` traces per second, because any client can ask for its request to be sampled.
    """
    traces = FixedWindow(limit)
    return ParentBased(
        _Limited(TraceIdRatioBased(ratio), traces, meters),
        remote_parent_sampled=_Limited(ALWAYS_ON, traces, meters),
    )


class _Limited(Sampler):
    """Wraps a sampler; drops traces beyond the rate limit."""

    def __init__(self, sampler: Sampler, traces: FixedWindow, meters: Meters) -> None:
        self._sampler = sampler
        self._traces = traces
        self._meters = meters

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        result = self._sampler.should_sample(
            parent_context,
            trace_id,
            name,
            kind,
            attributes=attributes,
            links=links,
            trace_state=trace_state,
        )
        if result.decision is Decision.DROP or self._traces.admit():
            return result
        self._meters.limit_hits[Limit.TRACE_LIMIT] += 1
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return f"Limited({self._sampler.get_description()})"
