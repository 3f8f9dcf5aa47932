"""A collector of traces that receives OTLP over HTTP, as OpenTelemetry's does."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from support.http import Ask, HttpServer, Reply
from support.socket import WAIT

__all__ = ["CollectedSpan", "Collector"]


class CollectedSpan:
    """A received span.

    Attributes:
        name, kind: as sent.
        trace_id, span_id, parent_id: hexadecimal; `parent_id` is "" for a root span.
        attributes: attributes of the span.
        resource: attributes of the process that made the span.
        is_error: True if the status of the span is an error.
        began, ended: nanoseconds since the epoch.
    """

    def __init__(self, span: Any, resource: dict[str, Any]) -> None:
        self.name: str = span.name
        self.kind: int = span.kind
        self.trace_id: str = span.trace_id.hex()
        self.span_id: str = span.span_id.hex()
        self.parent_id: str = span.parent_span_id.hex()
        self.attributes = _values(span.attributes)
        self.resource = resource
        self.is_error = span.status.code == span.status.STATUS_CODE_ERROR
        self.began: int = span.start_time_unix_nano
        self.ended: int = span.end_time_unix_nano


class Collector:
    """Serves until the end of the `with` block.

    Attributes:
        url: URL for `--otlp-endpoint`.
        paths: paths that received a request.
    """

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self._spans: list[CollectedSpan] = []
        self._changed = threading.Condition()
        self._server = HttpServer(self._add_spans)
        self.url = self._server.url

    def wait(self, wanted: Callable[[list[CollectedSpan]], object]) -> list[CollectedSpan]:
        """Block until `wanted(spans)` is true; return all spans received so far."""
        with self._changed:
            if not self._changed.wait_for(lambda: wanted(self._spans), WAIT):
                raise TimeoutError(f"there are only {[span.name for span in self._spans]}")
            return list(self._spans)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()

    def _add_spans(self, ask: Ask) -> Reply:
        is_compressed = ask.headers.get("Content-Encoding") == "gzip"
        body = gzip.decompress(ask.body) if is_compressed else ask.body
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.paths.add(ask.target)
            for of_process in request.resource_spans:
                resource = _values(of_process.resource.attributes)
                for scope in of_process.scope_spans:
                    self._spans += [CollectedSpan(span, resource) for span in scope.spans]
            self._changed.notify_all()
        reply = ExportTraceServiceResponse().SerializeToString()
        return Reply(200, reply, {"Content-Type": "application/x-protobuf"})


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> Any:
    kind = attribute.value.WhichOneof("value")
    return None if kind is None else getattr(attribute.value, kind)
