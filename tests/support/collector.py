"""A collector of traces that receives OTLP over HTTP, as OpenTelemetry's does."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

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
    """Runs in its own threads within `with`.

    Attributes:
        url: URL for `--otlp-endpoint`.
        paths: paths that received a request.
    """

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self._spans: list[CollectedSpan] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def wait(self, wanted: Callable[[list[CollectedSpan]], object]) -> list[CollectedSpan]:
        """Block until `wanted(spans)` is true; return all spans received so far."""
        with self._changed:
            if not self._changed.wait_for(lambda: wanted(self._spans), WAIT):
                raise TimeoutError(f"there are only {[span.name for span in self._spans]}")
            return list(self._spans)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _add_spans(self, path: str, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.paths.add(path)
            for of_process in request.resource_spans:
                resource = _values(of_process.resource.attributes)
                for scope in of_process.scope_spans:
                    self._spans += [CollectedSpan(span, resource) for span in scope.spans]
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._add_spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                take(self.path, body)
                reply = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing to the output of the test."""

        return Handler


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> Any:
    kind = attribute.value.WhichOneof("value")
    return None if kind is None else getattr(attribute.value, kind)
