"""Traces of writes, from the request to the fan-out in each process, sent by OTLP over HTTP.

Only what is sampled carries its trace with it, in the event that it publishes; what is not costs no
more than the decision. This module needs the packages of the extra `otel`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from .metrics import Meters

__all__ = ["Cause", "Traces"]

Cause = Span
"""What makes others wait for it, or do something."""

EXPORT_TIMEOUT = 5.0
"""Seconds that the collector may take for a batch."""

FAREWELL_TIMEOUT = 2.0
"""Seconds that a stopping server waits for the last spans to be taken."""

_W3C = TraceContextTextMapPropagator()


class Traces:
    """Makes the spans of one process; what is under way in a task is the parent of what it does."""

    def __init__(self, settings: Settings, meters: Meters, worker: int) -> None:
        """Begin to send, in a thread of its own; `settings.otlp_endpoint` must be given.

        `worker`: the number of this process among those that serve together.
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
        # Its queue is bounded; what does not fit is dropped.
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT))
        )
        self._tracer = self._provider.get_tracer("syncline", __version__)
        # One line for a batch that was not taken, none for each attempt.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)

    async def stop(self) -> None:
        """Send what is left, for a short time."""
        # Not one of the loop's own threads, for whose end it would wait.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, FAREWELL_TIMEOUT)

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Around an HTTP request; continues the trace that the headers name, if they name one.

        Yields:
            the span, which may be ended before.
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
        self, span: Span, method: str, pattern: str | None, status: int, code: int | None
    ) -> None:
        """End the span of a request.

        Args:
            pattern: of its path; None where there is no such path.
            status: of the reply.
            code: with which the request was refused; None if it was not.
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

    def command(self, verb: str, document: str | None) -> AbstractContextManager[Span]:
        """Around a command that came over a socket."""
        attributes = {} if document is None else {"syncline.object": document}
        return self._span(verb, SpanKind.SERVER, attributes)

    @contextmanager
    def commit(self, verb: str, document: str) -> Iterator[str]:
        """Around a commit.

        Yields:
            what the event has to carry: a `traceparent`; "" where the commit is not sampled.
        """
        attributes = {
            "db.system.name": "redis",
            "db.operation.name": verb,
            "syncline.object": document,
        }
        with self._span("commit", SpanKind.CLIENT, attributes) as span:
            carrier: dict[str, str] = {}
            if span.is_recording():
                _W3C.inject(carrier)
            yield carrier.get("traceparent", "")

    def fan_out(self, traceparent: str, document: str) -> AbstractContextManager[Span]:
        """Around the handing on of an event, from when it was received; of what `commit` gave."""
        told = trace.get_current_span(_W3C.extract({"traceparent": traceparent}))
        context = told.get_span_context()
        # As if it had begun here: whether it is sampled has been decided.
        parent = SpanContext(context.trace_id, context.span_id, False, context.trace_flags)
        return self._span(
            "fan-out",
            SpanKind.CONSUMER,
            {"syncline.object": document},
            trace.set_span_in_context(trace.NonRecordingSpan(parent)),
        )

    def cause(self) -> Cause:
        """What is under way, for work that another task will do."""
        return trace.get_current_span()

    def because_of(self, causes: Sequence[Cause | None]) -> AbstractContextManager[object]:
        """Around work that one task does for several; it counts as that of one that is sampled."""
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
    """Follows the caller's decision, else takes a share; either way not too many.

    Whoever may send a request may ask for it to be sampled.
    """
    admit = _limiter(limit, meters)
    return ParentBased(
        _Limited(TraceIdRatioBased(ratio), admit),
        remote_parent_sampled=_Limited(ALWAYS_ON, admit),
    )


def _limiter(limit: int, meters: Meters) -> Callable[[], bool]:
    """Says yes so often in a second."""
    ends_at, count = 0.0, 0

    def admit() -> bool:
        nonlocal ends_at, count
        now = time.monotonic()
        if now >= ends_at:
            ends_at, count = now + 1.0, 0
        count += 1
        if count <= limit:
            return True
        meters.bounds["trace_limit"] += 1
        return False

    return admit


class _Limited(Sampler):
    """Another sampler, as long as it does not take too many."""

    def __init__(self, sampler: Sampler, admit: Callable[[], bool]) -> None:
        self._sampler = sampler
        self._admit = admit

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
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is Decision.DROP or self._admit():
            return result
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return f"Limited({self._sampler.get_description()})"
