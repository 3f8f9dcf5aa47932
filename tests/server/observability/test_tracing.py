from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx2
import pytest

from support.api import DocumentsApi
from support.collector import CollectedSpan, Collector
from support.metrics import hits
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.stream import event_stream
from syncline_protocol.errors import Code, Refusal
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.observability.tracing import Traces
from syncline_server.runtime import serve as serving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{CALLER}-01"
NOT_SAMPLED = f"00-{TRACE_ID}-{CALLER}-00"

EVENTS = "/v1/Services/{service}/Documents/{object}/Events"

SERVER, CLIENT, CONSUMER = 2, 3, 5
"""Kinds of spans, as OTLP numbers them."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    # Servers send what they have at once.
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with Collector() as running:
        yield running


def options(collector: Collector, *further: str) -> list[str]:
    return [f"--otlp-endpoint={collector.url}", *further]


def named(spans: list[CollectedSpan], name: str) -> list[CollectedSpan]:
    return [span for span in spans if span.name == name]


class TestAWrite:
    async def test_is_followed_from_the_request_to_every_process(
        self, fresh_server: StartServer, collector: Collector
    ) -> None:
        # But for what the caller asks for, nothing is traced.
        writing = fresh_server(*options(collector, "--trace-ratio=0"))
        redis = f"--redis-url=unix://{writing.data_dir / 'redis' / 'redis.sock'}"
        reading = fresh_server(
            redis, *options(collector, "--trace-ratio=0"), environ=writing.account_environ
        )
        async with native_socket(reading) as there, native_socket(writing) as here:
            opened = await there.ok("open", document="traced")
            await here.ok("open", document="traced")
            with DocumentsApi(writing) as api:
                reply = api.call(
                    "POST",
                    "traced",
                    data={"Data": '{"n":1}'},
                    headers={"traceparent": SAMPLED, "X-Request-Id": "the-request"},
                )
            assert reply.status_code == 200
            for socket in (there, here):
                event = await socket.event()
                assert "trace" not in event and "trace" not in event["document"]
        spans = await asyncio.to_thread(
            collector.wait,
            # The processes send what they traced each in its own time.
            lambda spans: (
                len(named(spans, "fan-out")) == 2 and any(span.kind == SERVER for span in spans)
            ),
        )
        sid = opened["document"]["sid"]
        assert {span.trace_id for span in spans} == {TRACE_ID}
        [request] = [span for span in spans if span.kind == SERVER]
        [commit] = named(spans, "commit")
        fan_outs = named(spans, "fan-out")
        assert request.name == "POST /v1/Services/{service}/Documents/{document}"
        assert request.parent_id == CALLER and not request.is_error
        assert request.attributes["http.response.status_code"] == 200
        assert request.attributes["syncline.request"] == "the-request"
        assert request.attributes["syncline.object"] == "traced"
        assert (commit.parent_id, commit.kind) == (request.span_id, CLIENT)
        assert commit.attributes["db.operation.name"] == "update"
        assert request.began <= commit.began <= commit.ended <= request.ended
        assert {span.parent_id for span in fan_outs} == {commit.span_id}
        assert {span.kind for span in fan_outs} == {CONSUMER}
        assert {span.attributes["syncline.object"] for span in fan_outs} == {sid}
        processes = {span.resource["process.pid"] for span in fan_outs}
        assert processes == {writing.process.pid, reading.process.pid}
        assert request.resource["service.name"] == "syncline"
        assert collector.paths == {"/v1/traces"}

    async def test_over_a_socket_begins_a_trace(
        self, fresh_server: StartServer, collector: Collector
    ) -> None:
        server = fresh_server(*options(collector, "--trace-ratio=1"))
        async with native_socket(server) as socket:
            await socket.ok("open", document="traced")
            await socket.ok("set", document="traced", data={"n": 1})
            await socket.event()
            await socket.error("set", document="traced", data={}, if_match="1")
        spans = await asyncio.to_thread(
            collector.wait,
            lambda spans: len(named(spans, "set")) == 2 and named(spans, "fan-out"),
        )
        [fan_out] = named(spans, "fan-out")
        written, refused = sorted(named(spans, "set"), key=lambda span: span.began)
        [commit] = [span for span in named(spans, "commit") if span.parent_id == written.span_id]
        assert fan_out.parent_id == commit.span_id
        assert written.parent_id == "" and written.trace_id != refused.trace_id
        assert written.attributes["syncline.object"] == "traced"
        assert refused.attributes["syncline.code"] == 54103 and not refused.is_error
        [opening] = named(spans, "open")
        assert any(span.parent_id == opening.span_id for span in named(spans, "commit"))

    async def test_of_several_patches_is_that_of_one(
        self, fresh_server: StartServer, collector: Collector
    ) -> None:
        """What is committed for others later is not taken for a part of the first one's trace."""
        server = fresh_server(*options(collector, "--trace-ratio=1"))
        patch = {"document": "counted", "increment": {"/n": 1}}
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(native_socket(server)) for _ in range(8)]
            await sockets[0].ok("open", document="counted", data={"n": 0})
            for _ in range(4):
                asked = [await socket.send("patch", **patch) for socket in sockets]
                for socket, request_id in zip(sockets, asked, strict=True):
                    assert "ok" in await socket.reply(request_id)
        spans = await asyncio.to_thread(
            collector.wait, lambda spans: len(named(spans, "patch")) == 32
        )
        patches = {span.span_id: span for span in named(spans, "patch")}
        updates = [
            span
            for span in named(spans, "commit")
            if span.attributes["db.operation.name"] == "update"
        ]
        assert updates
        for commit in updates:
            cause = patches[commit.parent_id]
            assert cause.trace_id == commit.trace_id
            assert cause.began <= commit.began <= commit.ended <= cause.ended

    async def test_that_a_stream_receives(
        self, fresh_server: StartServer, collector: Collector
    ) -> None:
        """The span of its request ends when the stream begins, not when that ends."""
        server = fresh_server(*options(collector, "--trace-ratio=1"))
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
        async with event_stream(server, sid) as stream:
            await stream.next()
            spans = await asyncio.to_thread(
                collector.wait, lambda spans: named(spans, f"GET {EVENTS}")
            )
        [request] = named(spans, f"GET {EVENTS}")
        assert request.attributes["syncline.wire"] == "sse"


class TestHere:
    """Without a server around it; what is left is sent at the stop."""

    async def test_what_fails_is_marked(self, collector: Collector) -> None:
        traces = traces_to(collector)
        away = Refusal(Code.UNAVAILABLE, "The store is unavailable.")
        wrong = Refusal(Code.REVISION_MISMATCH, "It is at another revision.")
        for error in (away, wrong, ZeroDivisionError("a secret")):
            with pytest.raises(type(error)), traces.command("set", "ET00"):
                raise error
        with traces.command("open", None):
            pass
        await traces.stop()
        spans = collector.wait(lambda spans: len(spans) == 4)
        assert [span.is_error for span in spans] == [True, False, True, False]
        codes = [span.attributes.get("syncline.code") for span in spans]
        assert codes == [20503, 54103, None, None]
        assert "secret" not in str([span.attributes for span in spans])
        assert {span.resource["syncline.worker"] for span in spans} == {3}

    async def test_a_commit_that_is_not_sampled_has_its_event_carry_nothing(
        self, collector: Collector
    ) -> None:
        traces = traces_to(collector)
        with (
            traces.request("GET", {"traceparent": NOT_SAMPLED}),
            traces.commit("set", "x") as parent,
        ):
            assert parent == ""
        with traces.request("GET", {"traceparent": SAMPLED}), traces.commit("set", "x") as parent:
            assert re.fullmatch(f"00-{TRACE_ID}-[0-9a-f]{{16}}-01", parent)
        await traces.stop()

    async def test_an_event_of_a_later_version_is_handed_on(self, collector: Collector) -> None:
        traces = traces_to(collector, trace_ratio=0.0)
        with traces.fan_out("of another form", "ET00") as span:
            assert not span.is_recording()
        await traces.stop()

    async def test_of_several_causes_a_sampled_one_counts(self, collector: Collector) -> None:
        traces = traces_to(collector)
        with traces.request("GET", {"traceparent": NOT_SAMPLED}):
            unsampled = traces.cause()
        with traces.request("GET", {"traceparent": SAMPLED}):
            sampled = traces.cause()
            with traces.because_of([None, unsampled, sampled]), traces.commit("set", "x") as parent:
                assert TRACE_ID in parent
        with traces.because_of([sampled]), traces.commit("set", "x") as parent:
            assert TRACE_ID not in parent  # that one is over
        await traces.stop()

    async def test_so_many_in_a_second(self, collector: Collector) -> None:
        meters = Meters()
        traces = traces_to(collector, meters, trace_limit=5)
        while not meters.limit_hits[Limit.TRACE_LIMIT]:
            with traces.command("get", "ET00"):
                pass
        await traces.stop()


def traces_to(
    collector: Collector,
    meters: Meters | None = None,
    trace_ratio: float = 1.0,
    trace_limit: int = 100,
) -> Traces:
    settings = Settings(
        otlp_endpoint=f"{collector.url}/", trace_ratio=trace_ratio, trace_limit=trace_limit
    )
    return Traces(settings, meters or Meters(), 3)


class TestSampling:
    def test_the_caller_decides(self, fresh_server: StartServer, collector: Collector) -> None:
        server = fresh_server(*options(collector, "--trace-ratio=1"))
        with DocumentsApi(server) as api:
            for traceparent in (NOT_SAMPLED, NOT_SAMPLED, SAMPLED):
                reply = api.call("POST", headers={"traceparent": traceparent})
                assert reply.status_code == 201
        spans = collector.wait(lambda spans: any(span.kind == SERVER for span in spans))
        assert len([span for span in spans if span.kind == SERVER]) == 1

    def test_a_share_of_none(self, fresh_server: StartServer, collector: Collector) -> None:
        server = fresh_server(*options(collector, "--trace-ratio=0"))
        with DocumentsApi(server) as api:
            api.create()
            api.call("GET", headers={"traceparent": "nonsense"})
            api.call("GET", headers={"traceparent": SAMPLED})
        spans = collector.wait(len)
        assert {span.trace_id for span in spans} == {TRACE_ID}

    def test_never_too_many(self, fresh_server: StartServer, collector: Collector) -> None:
        server = fresh_server(*options(collector, "--trace-limit=1"))
        with DocumentsApi(server) as api:
            while not hits(server, "trace_limit"):
                assert api.call("GET", headers={"traceparent": SAMPLED}).status_code == 200
        assert collector.wait(len)

    def test_who_looks_after_the_server_is_not_traced(
        self, fresh_server: StartServer, collector: Collector
    ) -> None:
        server = fresh_server(*options(collector))
        for path in ("/healthz", "/readyz", "/metrics"):
            httpx2.get(f"{server.url}{path}", headers={"traceparent": SAMPLED})
        httpx2.get(f"{server.url}/nowhere", headers={"traceparent": SAMPLED})
        [span] = collector.wait(len)
        assert span.name == "GET" and span.attributes["syncline.code"] == 20404


def test_without_a_collector_the_server_serves_and_stops(fresh_server: StartServer) -> None:
    with Collector() as gone:
        pass
    server = fresh_server(*options(gone, "--trace-ratio=1"))
    with DocumentsApi(server) as api:
        api.create()
    assert server.stop() == 0


class TestOff:
    def test_a_caller_who_asks_gets_no_trace(self, server: RunningServer) -> None:
        with DocumentsApi(server) as api:
            assert api.call("POST", headers={"traceparent": SAMPLED}).status_code == 201


def test_missing_packages_end_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "syncline_server.observability.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    settings = Settings(otlp_endpoint="http://127.0.0.1:4318")
    credentials = Credentials("AC" + "0" * 32, "token", {})
    with pytest.raises(SettingError, match=r"pip install 'syncline-server\[otel\]'") as caught:
        serving.serve(settings, credentials)
    assert "\n" not in str(caught.value)
