from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_objects, json_values
from syncline_protocol import commands, documents, jsondata, native
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.jsondata import DEPTH_LIMIT
from syncline_protocol.native import decoder
from syncline_protocol.objects import Removed

SID = "ET" + "0a" * 16
LIMITS = native.Limits(data=16_384, item=16_384, message=4096, values=jsondata.values_limit(16_384))
MOMENT_MS = 1_769_847_330_123

DOCUMENT = Document(
    sid=SID,
    unique_name="user_prefs",
    revision=1806543210987654,
    data=b'{"color":"red"}',
    created_ms=MOMENT_MS,
    updated_ms=MOMENT_MS + 1000,
    expires_ms=None,
    created_by="system",
    updated_by="alice",
)
UPDATED = Updated(
    sid=SID,
    unique_name="user_prefs",
    revision=8,
    previous=7,
    at_ms=MOMENT_MS,
    by="alice",
    data=b'{"a":1}',
    expires_ms=None,
)
REMOVED = Removed(
    sid=SID, unique_name=None, revision=9, previous=8, at_ms=MOMENT_MS, by="system", expired=True
)


def decode(**message: Any) -> Any:
    """The command of a request with these members."""
    request = native.decode(json.dumps({"id": 7, **message}), LIMITS)
    assert request.id == 7
    return request.command


def refused(**message: Any) -> Refusal:
    command = decode(**message)
    assert isinstance(command, Refusal)
    return command


class TestRequests:
    @pytest.mark.parametrize(
        ("message", "command"),
        [
            ({"do": "auth", "token": "eyJ"}, native.Authenticate("eyJ")),
            ({"do": "ping"}, native.Ping()),
            ({"do": "open"}, commands.Open(None)),
            (
                {
                    "do": "open",
                    "document": "a",
                    "mode": "create_new",
                    "data": {"b": 1},
                    "ttl": 60,
                    "revision": "5",
                    "op": "o",
                },
                commands.Open(
                    "a", mode=commands.Mode.CREATE_NEW, data=b'{"b":1}', ttl=60, revision=5, op="o"
                ),
            ),
            ({"do": "get", "document": SID}, commands.Get(SID)),
            ({"do": "set", "document": "a", "data": {}}, documents.Set("a", b"{}")),
            (
                {
                    "do": "set",
                    "document": "a",
                    "data": {"b": [1, 2]},
                    "ttl": 0,
                    "if_match": "5",
                    "op": "o",
                },
                documents.Set("a", b'{"b":[1,2]}', ttl=0, if_match=5, op="o"),
            ),
            (
                {
                    "do": "patch",
                    "document": "a",
                    "merge": {"b": None},
                    "ttl": 1,
                    "if_match": "5",
                    "op": "o",
                },
                documents.Patch("a", documents.MergePatch({"b": None}), ttl=1, if_match=5, op="o"),
            ),
            (
                {"do": "patch", "document": "a", "operations": [{"op": "remove", "path": "/b"}]},
                documents.Patch(
                    "a", documents.OperationsPatch([{"op": "remove", "path": "/b"}]), ttl=None
                ),
            ),
            (
                {"do": "patch", "document": "a", "increment": {"/b": 1, "/c": -0.5}},
                documents.Patch("a", documents.Increment({"/b": 1, "/c": -0.5})),
            ),
            (
                {"do": "ttl", "document": "a", "ttl": 60, "if_match": "5", "op": "o"},
                commands.SetTtl("a", 60, if_match=5, op="o"),
            ),
            (
                {"do": "remove", "document": "a", "if_match": "5", "op": "o"},
                commands.Remove("a", if_match=5, op="o"),
            ),
            ({"do": "unsubscribe", "document": "a"}, commands.Unsubscribe("a")),
        ],
    )
    def test_each_verb_becomes_its_command(self, message: dict[str, Any], command: object) -> None:
        assert decode(**message) == command

    def test_members_that_are_not_named_are_ignored(self) -> None:
        assert decode(do="get", document="a", colour="red") == commands.Get("a")

    @pytest.mark.parametrize("member", ["document", "ttl", "revision", "op"])
    def test_an_optional_member_may_be_null(self, member: str) -> None:
        assert decode(do="open", **{member: None}) == commands.Open(None)

    @pytest.mark.parametrize("request_id", [0, 2**53 - 1])
    def test_an_id_is_any_integer_that_javascript_holds(self, request_id: int) -> None:
        request = native.decode(json.dumps({"id": request_id, "do": "ping"}), LIMITS)

        assert request == native.Request(request_id, native.Ping())

    @pytest.mark.parametrize("bad", [-1, 2**53, 1.0, "7", None, True, [7]])
    def test_another_id_is_a_violation(self, bad: Any) -> None:
        with pytest.raises(native.ProtocolViolation, match="must have an id"):
            native.decode(json.dumps({"id": bad, "do": "ping"}), LIMITS)

    @pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "{}", '{"do":"ping"}'])
    def test_what_is_no_object_with_an_id_is_a_violation(self, text: str) -> None:
        with pytest.raises(native.ProtocolViolation):
            native.decode(text, LIMITS)


class TestUnacceptableJson:
    @pytest.mark.parametrize(
        "text",
        [
            '{"id":7,"do":"set","data":{"a":NaN}}',
            '{"id":7,"do":"set","data":{"a":1,"a":2}}',
            '{"id":7,"do":"set","data":' + "[" * 20_000,
            '{"id":7,"do":"set","data":' + "[" * 20_000 + "]" * 20_000 + "}",
            '{"id":7,"do":"set","data":1e999}',
            '{"id":7,"do":',
            ' { "id" : 7 ,',
            '{"id":7,"do":"\x00"}',
            '{"id":7}}',
        ],
    )
    def test_a_request_whose_id_comes_first_is_answered(self, text: str) -> None:
        request = native.decode(text, LIMITS)

        assert request.id == 7
        assert isinstance(request.command, Refusal)
        assert request.command.code is Code.INVALID_JSON

    def test_a_request_that_is_json_after_all_is_answered_wherever_its_id_stands(self) -> None:
        request = native.decode('{"do":"set","data":{"a":1,"a":2},"id":7}', LIMITS)

        assert request.id == 7
        assert isinstance(request.command, Refusal)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "hello",
            "[" * 100_000,
            '{"do":"set","id":7',
            '{"id":-7,"a":',
            '{"id":7.5,"a":',
            '{"id":9007199254740992,"a":',
            '{"id":99999999999999999999,"a":1}',
            '{"id":"7","a":NaN}',
            '{"a":{"id":7},"b":',
            '[{"id":7}',
        ],
    )
    def test_one_without_a_recognisable_id_is_a_violation(self, text: str) -> None:
        with pytest.raises(native.ProtocolViolation):
            native.decode(text, LIMITS)

    @given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
    def test_garbage_is_a_violation_or_refused(self, text: str) -> None:
        for frame in (text, '{"id":7,' + text, '{"id":7,"do":"open","document":"' + text + '"}'):
            try:
                request = native.decode(frame, LIMITS)
            except native.ProtocolViolation as violation:
                # A close frame holds 123 bytes of reason.
                assert len(str(violation).encode()) <= 123
            else:
                assert isinstance(request, native.Request)

    @given(
        st.sampled_from(sorted(decoder.VERBS)),
        st.dictionaries(
            st.sampled_from(
                ["document", "mode", "data", "ttl", "revision", "if_match", "op", "token"]
                + ["merge", "operations", "increment"]
            ),
            json_values | st.text(max_size=400),
        ),
    )
    def test_members_of_any_value_give_a_command_or_a_refusal_that_can_be_sent(
        self, verb: str, members: dict[str, Any]
    ) -> None:
        command = decode(do=verb, **members)

        if isinstance(command, Refusal):
            assert 400 <= command.code.status < 500
            error = orjson.loads(native.encode_error(7, command))["error"]
            assert error["message"].endswith(".")


@pytest.mark.parametrize(
    ("head", "request_id"),
    [
        (b'{"id":7,"do":"set"', 7),
        (b' { "id" : 9007199254740991 , "x"', 2**53 - 1),
        (b'{"id":9007199254740992,', None),
        (b'{"id":-1,', None),
        (b'{"id":1.5,', None),
        (b'{"id":7', None),
        (b'{"do":"set","id":7,', None),
        (b'{"id":"7",', None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_the_id_is_known_by_the_beginning_where_it_comes_first(
    head: bytes, request_id: int | None
) -> None:
    assert native.leading_id(head) == request_id


class TestBadMembers:
    @pytest.mark.parametrize(
        ("message", "code", "sentence"),
        [
            ({}, 20001, "do must be one of auth, ping, open, get, ttl, remove, unsubscribe, set, "
                        "patch, items, item, add, ttl_collection, remove_collection, batch, "
                        "publish; null was given."),
            ({"do": "fly"}, 20001, "; 'fly' was given."),
            ({"do": ["get"]}, 20001, "; an array was given."),
            ({"do": "get"}, 20001, "get needs one of the members document, list, map, stream."),
            ({"do": "set", "document": "a"}, 20001, "set needs the member data."),
            ({"do": "ttl", "document": "a"}, 20001, "ttl needs the member ttl."),
            ({"do": "auth"}, 20001, "auth needs the member token."),
            ({"do": "auth", "token": 5}, 20422, "token must be a string; 5 was given."),
            ({"do": "get", "document": None}, 20422, "document must be a string; null was given."),
            ({"do": "get", "document": "\ud800"}, 20422,
             "document holds half of a surrogate pair (\\ud800) as character 0"),
            ({"do": "open", "mode": "rw"}, 20422,
             "mode must be one of open_or_create, open_existing, create_new; 'rw' was given."),
            ({"do": "open", "mode": {}}, 20422, "; an object was given."),
            ({"do": "open", "data": None}, 54101, "data must be a JSON object; null was given."),
            ({"do": "open", "data": []}, 54008, "data must be a JSON object; an array was given."),
            ({"do": "open", "data": {"a": "\ud800"}}, 54008,
             "data is not acceptable JSON: at /a it holds half of a surrogate pair"),
            ({"do": "open", "data": {"a": "x" * 16_384}}, 54006,
             "data is 16392 bytes as compact JSON; at most 16384 are allowed."),
            ({"do": "open", "ttl": -1}, 54011, "ttl must be a whole number of seconds from 0 to "
                                               "31536000; -1 was given."),
            ({"do": "ttl", "document": "a", "ttl": None}, 54011, "; null was given."),
            ({"do": "open", "revision": 5}, 54003, "revision must be one revision that the server "
                                                   "gave, a string of digits; 5 was given."),
            ({"do": "remove", "document": "a", "if_match": "x"}, 54003, "if_match must be one "),
            ({"do": "open", "op": ""}, 20422, "op must have 1 to 64 characters; 0 were given."),
            ({"do": "patch", "document": "a"}, 20001, "patch takes exactly one of merge, "
                                                      "operations and increment; 0 were given."),
            ({"do": "patch", "document": "a", "merge": {}, "increment": {}}, 20001,
             "; 2 were given."),
            ({"do": "patch", "document": "a", "merge": []}, 20422,
             "merge must be a JSON object; an array was given."),
            ({"do": "patch", "document": "a", "operations": {}}, 20422,
             "operations must be an array of JSON patch operations; an object was given."),
            ({"do": "patch", "document": "a", "increment": {}}, 20422,
             "increment must be a JSON object from one or more JSON pointers to numbers; "
             "an object was given."),
            ({"do": "patch", "document": "a", "increment": 5}, 20422, "; 5 was given."),
            ({"do": "patch", "document": "a", "increment": {"/a": 1, "/b": True}}, 20422,
             "increment must give a number for '/b'; true was given."),
        ],
    )  # fmt: skip
    def test_each_has_its_code_and_a_sentence_of_what_came_and_what_is_allowed(
        self, message: dict[str, Any], code: int, sentence: str
    ) -> None:
        refusal = refused(**message)

        assert refusal.code == code
        assert sentence in refusal.message

    def test_data_as_deep_as_allowed_passes_in_a_message(self) -> None:
        data: dict[str, Any] = {}
        for _ in range(DEPTH_LIMIT - 1):
            data = {"a": data}

        assert isinstance(decode(do="set", document="a", data=data), documents.Set)
        refusal = refused(do="set", document="a", data={"a": data})
        assert refusal.code is Code.INVALID_JSON
        assert refusal.message.startswith("data is not acceptable JSON: at /a/a/a")
        assert refusal.message.endswith(f"it is nested more than {DEPTH_LIMIT} deep.")


class TestReplies:
    def test_a_document_is_as_the_specification_shows_it(self) -> None:
        frame = native.encode_ok(7, {"created": True, "document": native.document_body(DOCUMENT)})

        assert orjson.loads(frame) == {
            "id": 7,
            "ok": {
                "created": True,
                "document": {
                    "sid": SID,
                    "unique_name": "user_prefs",
                    "revision": "1806543210987654",
                    "data": {"color": "red"},
                    "date_created": "2026-01-31T08:15:30.123Z",
                    "date_updated": "2026-01-31T08:15:31.123Z",
                    "date_expires": None,
                    "created_by": "system",
                    "updated_by": "alice",
                },
            },
        }

    def test_a_document_comes_without_data_where_the_receiver_has_it(self) -> None:
        with_data = native.document_body(DOCUMENT)

        without = native.document_body(DOCUMENT, data=False)

        assert without == {key: value for key, value in with_data.items() if key != "data"}

    @given(json_objects)
    def test_data_passes_through_as_it_is_stored(self, value: Any) -> None:
        event = Updated(
            sid=SID,
            unique_name=None,
            revision=2,
            previous=1,
            at_ms=0,
            by="bob",
            data=orjson.dumps(value),
            expires_ms=None,
        )

        assert orjson.loads(native.encode_event(event))["document"]["data"] == value

    def test_an_error_says_its_code_its_status_and_whether_to_retry(self) -> None:
        away = orjson.loads(native.encode_error(7, Refusal(Code.UNAVAILABLE, "Away.")))
        taken = orjson.loads(native.encode_error(8, Refusal(Code.NAME_TAKEN, "Taken.")))

        assert away == {
            "id": 7,
            "error": {"code": 20503, "status": 503, "message": "Away.", "retry": True},
        }
        assert taken["error"] == {
            "code": 54301, "status": 409, "message": "Taken.", "retry": False,
        }  # fmt: skip

    def test_a_revision_mismatch_carries_the_newest_document(self) -> None:
        refusal = Refusal(Code.REVISION_MISMATCH, "Newer.", newest=DOCUMENT)

        error = orjson.loads(native.encode_error(7, refusal))["error"]

        assert error["document"]["revision"] == "1806543210987654"
        assert error["document"]["data"] == {"color": "red"}


class TestEvents:
    def test_an_update_reports_the_new_state_and_who_made_it(self) -> None:
        assert native.event_name(UPDATED) == "updated"
        assert orjson.loads(native.encode_event(UPDATED)) == {
            "event": "updated",
            "document": {
                "sid": SID,
                "unique_name": "user_prefs",
                "revision": "8",
                "previous_revision": "7",
                "data": {"a": 1},
                "date_updated": "2026-01-31T08:15:30.123Z",
                "date_expires": None,
                "updated_by": "alice",
            },
        }

    def test_an_update_reports_the_expiry(self) -> None:
        expiring = Updated(
            sid=SID,
            unique_name=None,
            revision=8,
            previous=7,
            at_ms=0,
            by="alice",
            data=b"{}",
            expires_ms=MOMENT_MS,
        )

        body = native.event_body(expiring)

        assert body["date_expires"] == "2026-01-31T08:15:30.123Z"

    def test_a_removal_reports_who_and_why_and_no_data(self) -> None:
        assert native.event_name(REMOVED) == "removed"
        assert orjson.loads(native.encode_event(REMOVED)) == {
            "event": "removed",
            "document": {
                "sid": SID,
                "unique_name": None,
                "revision": "9",
                "previous_revision": "8",
                "date_removed": "2026-01-31T08:15:30.123Z",
                "removed_by": "system",
                "expired": True,
            },
        }

    def test_a_notice_has_a_name_and_no_document(self) -> None:
        frame = native.encode_notice("token_about_to_expire", expires_in=180)

        assert orjson.loads(frame) == {"event": "token_about_to_expire", "expires_in": 180}
