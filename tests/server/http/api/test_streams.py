"""Messages of streams, over REST."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.api import unique
from support.collections import CollectionsApi, error
from support.server import RunningServer


@pytest.fixture(scope="module")
def streams(server: RunningServer) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, "Streams") as streams:
        yield streams


@pytest.mark.parametrize(
    "request_",
    [{"data": {"Data": '{"a": 1}'}}, {"json": {"data": {"a": 1}}}, {"json": {"Data": '{"a":1}'}}],
)
def test_a_message_has_a_sid_and_its_data(
    streams: CollectionsApi, request_: dict[str, Any]
) -> None:
    created = streams.create()
    reply = streams.http.post(created["links"]["messages"], **request_)
    assert reply.status_code == 201
    message = reply.json()
    assert set(message) == {"sid", "data"}
    assert re.fullmatch("TZ[0-9a-f]{32}", message["sid"])
    assert message["data"] == {"a": 1}
    other = streams.http.post(created["links"]["messages"], **request_)
    assert other.json()["sid"] != message["sid"]
    assert streams.fetch(created["sid"]) == created


def test_the_largest_message_is_taken(streams: CollectionsApi) -> None:
    sid = streams.create()["sid"]
    largest = {"data": {"a": "x" * (4096 - 8)}}
    assert streams.ok("POST", sid, "Messages", json=largest)["data"] == largest["data"]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({}, 400, 54251),
        ({"Data": ""}, 400, 54251),
        ({"Data": "null"}, 400, 54251),
        ({"Data": "{"}, 400, 54008),
        ({"Data": "[1]"}, 400, 54008),
        ({"Data": '{"a":"%s"}' % ("x" * (4096 - 7))}, 413, 54006),
        ({"Data": "{}", "Ttl": "1"}, 400, 20001),
    ],
)
def test_the_errors_of_publish(
    streams: CollectionsApi, parameters: dict[str, str], status: int, code: int
) -> None:
    sid = streams.create()["sid"]
    assert error(streams.call("POST", sid, "Messages", data=parameters)) == (status, code)


def test_a_repeated_message_is_published_once(streams: CollectionsApi) -> None:
    sid = streams.create()["sid"]
    request: dict[str, Any] = {"data": {"Data": "{}"}, "headers": {"Idempotency-Key": unique()}}
    first = streams.call("POST", sid, "Messages", **request)
    again = streams.call("POST", sid, "Messages", **request)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["sid"] == first.json()["sid"]
    assert again.headers["Idempotency-Replayed"] == "true"
    request["data"] = {"Data": '{"n":2}'}
    assert error(streams.call("POST", sid, "Messages", **request)) == (409, 20409)


def test_there_is_nothing_to_read(streams: CollectionsApi) -> None:
    sid = streams.create()["sid"]
    for method in ("GET", "DELETE", "PATCH"):
        assert error(streams.call(method, sid, "Messages")) == (405, 20004)


def test_a_stream_that_is_gone_takes_no_message(streams: CollectionsApi) -> None:
    sid = streams.create()["sid"]
    streams.ok("DELETE", sid)
    assert error(streams.call("POST", sid, "Messages", data={"Data": "{}"})) == (404, 20404)
    assert error(streams.call("POST", "none", "Messages", data={"Data": "{}"})) == (404, 20404)
    assert error(streams.call("GET", sid, "Permissions")) == (404, 20404)
