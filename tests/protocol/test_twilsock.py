from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_objects, text
from support.twilsock import DIALECTS, Dialect, javascript
from syncline_protocol import twilsock
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.twilsock import HEADER_LIMIT, ID_LENGTH, HttpRequest, MalformedFrame, Status

PING = {"method": "ping", "id": "TM1"}

SIZES: list[Any] = [3, 1, -1, "2", 2.0, True, []]
"""None of them counts a payload of two bytes."""


def framed(header: bytes, rest: bytes = b"\r\n", size: int | None = None) -> bytes:
    return b"TWILSOCK V3.0 %d\r\n%b%b" % (len(header) if size is None else size, header, rest)


def request(**http_request: Any) -> HttpRequest:
    header = {"method": "message", "id": "TM1", "http_request": http_request}
    return twilsock.http_request(twilsock.decode(javascript(header)))


class TestReading:
    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("payload", [b"", b'{"a":1}', '{"a":"é"}'.encode(), b"{}\r\n"])
    def test_both_dialects(self, dialect: Dialect, payload: bytes) -> None:
        packet = twilsock.decode(dialect({"method": "update", "id": "TM1", "token": "x"}, payload))

        assert (packet.method, packet.id, packet.payload) == ("update", "TM1", payload)
        assert packet.header["token"] == "x"

    def test_size_of_the_header_is_in_bytes(self) -> None:
        header = {**PING, "identity": "grüße"}

        assert twilsock.decode(javascript(header)).header["identity"] == "grüße"

    def test_payload_that_is_not_counted_ends_before_a_last_crlf(self) -> None:
        header = orjson.dumps(PING)

        for rest, payload in [
            (b"", b""),
            (b"\r\n", b""),
            (b"\r\n{}", b"{}"),
            (b"\r\n{}\r\n", b"{}"),
        ]:
            assert twilsock.decode(framed(header, rest)).payload == payload

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"TWILSOCK V3.0 2\r\n", id="no header"),
            pytest.param(b"TWILSOCK V2.0 2\r\n{}\r\n", id="another version"),
            pytest.param(b"TWILSOCK V3.0 -2\r\n{}\r\n", id="negative size"),
            pytest.param(b"TWILSOCK V3.0 \r\n{}\r\n", id="no size"),
            pytest.param(b"TWILSOCK V3.0 999999999999999999\r\n{}\r\n", id="endless size"),
            pytest.param(b'{"id":1,"do":"auth"}', id="another protocol"),
            pytest.param(framed(b"{}"), id="neither method nor id"),
            pytest.param(framed(b"[]"), id="an array"),
            pytest.param(framed(b"nonsense"), id="no JSON"),
            pytest.param(framed(b'{"method":"\xff","id":"1"}'), id="no UTF-8"),
            pytest.param(framed(b'{"method":"\\ud800","id":"1"}'), id="a lone surrogate"),
            pytest.param(framed(b"[" * 5000), id="too deep"),
            pytest.param(framed(orjson.dumps(PING), size=5), id="shorter than it is"),
            pytest.param(framed(orjson.dumps(PING), size=500), id="longer than it is"),
            pytest.param(framed(orjson.dumps(PING), b"{}"), id="no CRLF behind the header"),
            pytest.param(framed(orjson.dumps({"method": "ping"})), id="no id"),
            pytest.param(framed(orjson.dumps({**PING, "id": 7})), id="a number for an id"),
            pytest.param(framed(orjson.dumps({**PING, "id": ""})), id="an empty id"),
            pytest.param(
                framed(orjson.dumps({**PING, "id": "x" * (ID_LENGTH + 1)})), id="a long id"
            ),
            *(
                pytest.param(
                    framed(orjson.dumps({**PING, "payload_size": size}), b"\r\n{}"), id=f"{size!r}"
                )
                for size in SIZES
            ),
            pytest.param(
                framed(orjson.dumps({**PING, "x": "y" * HEADER_LIMIT})), id="a large header"
            ),
        ],
    )
    def test_what_has_no_packet_in_it_is_reported(self, frame: bytes) -> None:
        with pytest.raises(MalformedFrame, match=r"^(a|the|payload_size|more) \S"):
            twilsock.decode(frame)

    def test_header_at_the_limit(self) -> None:
        filler = HEADER_LIMIT - len(orjson.dumps({**PING, "x": ""}))

        assert twilsock.decode(framed(orjson.dumps({**PING, "x": "y" * filler}))).id == "TM1"

    @given(st.binary(max_size=200) | st.binary(max_size=200).map(framed))
    def test_any_bytes_are_a_packet_or_malformed(self, frame: bytes) -> None:
        with suppress(MalformedFrame):
            twilsock.decode(frame)

    @given(json_objects, st.sampled_from(DIALECTS), st.data())
    def test_a_frame_that_was_changed_is_a_packet_or_malformed(
        self, members: Any, dialect: Dialect, data: st.DataObject
    ) -> None:
        frame = bytearray(dialect({**members, **PING}, orjson.dumps(members)))
        for _ in range(data.draw(st.integers(1, 3))):
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
        with suppress(MalformedFrame, Refusal):
            twilsock.http_request(twilsock.decode(bytes(frame)))

    @given(json_objects, json_objects, st.sampled_from(DIALECTS))
    def test_whatever_was_sent_arrives(self, members: Any, body: Any, dialect: Dialect) -> None:
        header = {**members, **PING}
        header.pop("payload_size", None)
        payload = orjson.dumps(body)

        packet = twilsock.decode(dialect(header, payload))

        assert packet.payload == payload
        assert {name: packet.header[name] for name in header} == header


class TestBeginnings:
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_of_a_whole_header_all_members_are_known(self, dialect: Dialect) -> None:
        frame = dialect({"id": "TM7", "x": {"id": "y"}, "method": "message"}, b"x" * 1000)
        packet = twilsock.beginning(frame[:200])
        assert packet is not None
        assert (packet.method, packet.id, packet.payload) == ("message", "TM7", b"")
        assert packet.header["x"] == {"id": "y"}

    @pytest.mark.parametrize(
        "header",
        [
            {"method": "message", "id": "TM7", "x": "y" * HEADER_LIMIT},
            {"id": "TM7", "method": "message", "x": "y" * HEADER_LIMIT},
        ],
    )
    def test_of_a_part_of_one_those_two_it_begins_with(self, header: Any) -> None:
        for frame in (javascript(header), javascript(header)[:100]):
            packet = twilsock.beginning(frame)
            assert packet is not None
            assert (packet.method, packet.id) == ("message", "TM7")
        with pytest.raises(twilsock.HeaderTooLarge):
            twilsock.decode(javascript(header))

    @pytest.mark.parametrize(
        "frame",
        [
            b"",
            b"x" * 1000,
            framed(b"{}"),
            framed(b"[]"),
            framed(b'{"method":"message"}'),
            framed(b'{"x":{"method":"message","id":"TM7"}}', size=70_000),
            framed(b'{"method":"message","method":"x"}', size=70_000),
            framed(b'{"method":"message","id":"\\u0054', size=70_000),
            framed(b'{"method":"message","id":"\xff","x', size=70_000),
        ],
    )
    def test_of_anything_else_nothing_is_known(self, frame: bytes) -> None:
        assert twilsock.beginning(frame) is None

    @given(st.binary(max_size=200) | st.binary(max_size=200).map(framed))
    def test_any_bytes_are_a_packet_or_none(self, frame: bytes) -> None:
        twilsock.beginning(frame)


class TestHttpRequests:
    def test_headers_and_parameters_are_strings_or_arrays_of_them(self) -> None:
        plain = request(
            method="GET",
            host="h",
            path="/p",
            params={"a": "1", "b": ["2", "3"]},
            headers={"X": "y"},
        )

        assert plain == HttpRequest(
            method="GET",
            host="h",
            path="/p",
            params=(("a", "1"), ("b", "2"), ("b", "3")),
            headers=(("X", "y"),),
        )
        nothing: list[Any] = [None, {}, {"X": []}]
        for missing in nothing:
            bare = request(method="GET", host="h", path="/p", params=missing, headers=missing)
            assert bare == HttpRequest(method="GET", host="h", path="/p", params=(), headers=())

    def test_both_dialects_ask_the_same(self) -> None:
        asked = {"method": "GET", "host": "h", "path": "/p", "headers": {"If-Match": "1"}}
        header = {"method": "message", "id": "TM1", "http_request": asked}

        assert (
            len({twilsock.http_request(twilsock.decode(write(header, b""))) for write in DIALECTS})
            == 1
        )

    @pytest.mark.parametrize(
        "http_request",
        [
            None,
            [],
            {},
            {"method": 1, "host": "h", "path": "/"},
            {"method": "GET", "host": "h"},
            {"method": "GET", "host": "h", "path": "/", "headers": []},
            {"method": "GET", "host": "h", "path": "/", "headers": {"a": 1}},
            {"method": "GET", "host": "h", "path": "/", "params": {"a": [[]]}},
        ],
    )
    def test_what_cannot_be_executed_is_refused(self, http_request: Any) -> None:
        packet = twilsock.decode(
            javascript({"method": "message", "id": "TM1", "http_request": http_request})
        )

        with pytest.raises(Refusal) as refused:
            twilsock.http_request(packet)
        assert refused.value.code in (Code.BAD_REQUEST, Code.INVALID_PARAMETER)


class TestWriting:
    @pytest.mark.parametrize(
        ("frame", "header"),
        [
            (
                twilsock.encode_reply("TM1"),
                {"method": "reply", "id": "TM1", "status": {"code": 200, "status": "OK"}},
            ),
            (
                twilsock.encode_reply("TM1", Status(401, "NO", 20101, "It is."), more=1),
                {
                    "method": "reply",
                    "id": "TM1",
                    "status": {
                        "code": 401,
                        "status": "NO",
                        "errorCode": 20101,
                        "description": "It is.",
                    },
                    "more": 1,
                },
            ),
            (twilsock.encode_ping("TM1"), PING),
            (
                twilsock.encode_close("TM1", Status(308, "AWAY")),
                {"method": "close", "id": "TM1", "status": {"code": 308, "status": "AWAY"}},
            ),
            (
                twilsock.encode_client_update("TM1", "token_about_to_expire", "Soon."),
                {
                    "method": "client_update",
                    "id": "TM1",
                    "client_update_type": "token_about_to_expire",
                    "client_update_message": "Soon.",
                },
            ),
        ],
    )
    def test_packets_without_a_payload(self, frame: bytes, header: dict[str, Any]) -> None:
        packet = twilsock.decode(frame)

        assert packet.header == {**header, "payload_size": 0}
        assert packet.payload == b""
        # The Kotlin parser needs the CRLF, and takes what follows it as the payload.
        assert frame.endswith(b"}\r\n")

    def test_notification(self) -> None:
        packet = twilsock.decode(twilsock.encode_notification("TM1", "twilio.sync.event", b"{}"))

        assert packet.header == {
            "method": "notification",
            "id": "TM1",
            "message_type": "twilio.sync.event",
            "notification_ctx_id": "",
            "payload_size": 2,
            "payload_type": "application/json",
        }
        assert packet.payload == b"{}"

    @given(text, json_objects)
    def test_frame_has_three_parts_for_a_parser_that_splits_it(self, word: str, body: Any) -> None:
        """The Kotlin SDK splits at each CRLF, and compares the size of what is between."""
        payload = orjson.dumps(body)

        frame = twilsock.encode_reply("TM1", Status(400, word, 1, word), payload, word=word)

        prefix, header, rest = frame.split(b"\r\n")
        size = re.fullmatch(rb"TWILSOCK V3\.0 ([0-9]+)", prefix)
        assert size is not None and int(size[1]) == len(header)
        assert rest == payload
        assert twilsock.decode(frame).payload == payload


@pytest.mark.parametrize(
    "header",
    [
        b'{"id":"TM1","method":"reply","payload_type":"application/json"}',
        b'{"method":"reply","id":"TM1"}',
        b'{"method":"reply"}',
    ],
)
def test_a_reply_is_known_without_being_decoded(header: bytes) -> None:
    assert twilsock.is_reply(b"TWILSOCK V3.0 %d\r\n%b\r\n" % (len(header), header))


@pytest.mark.parametrize(
    "header",
    [
        b'{"id":"TM1","method":"message"}',
        b'{"id":"\\","method":"reply","x":"","method":"message"}',
        b'{"x":{"method":"reply"},"method":"message","id":"TM1"}',
        b'{"method":"replying","id":"TM1"}',
        b'{"id":"TM1",  "method":"reply"}',
    ],
)
def test_what_may_be_something_else_is_decoded(header: bytes) -> None:
    assert not twilsock.is_reply(b"TWILSOCK V3.0 %d\r\n%b\r\n" % (len(header), header))
