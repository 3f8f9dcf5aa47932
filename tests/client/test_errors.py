from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import orjson
import pytest

from support.snapshots import SID
from syncline import errors
from syncline.errors import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    DocumentClosed,
    Forbidden,
    InvalidRequest,
    NotFound,
    RequestError,
    RequestTimeout,
    RevisionMismatch,
    SynclineError,
    TokenExpired,
    TooLarge,
    Unauthorized,
    Unavailable,
    WebSocketBlocked,
)
from syncline_protocol import native
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal

DOCUMENT = Document(
    sid=SID,
    unique_name="name",
    revision=5,
    data=b'{"a":1}',
    created_ms=0,
    updated_ms=0,
    expires_ms=None,
    created_by="system",
    updated_by="alice",
)

KIND_OF_STATUS = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: RequestError,
    408: RequestError,
    409: Conflict,
    412: RevisionMismatch,
    413: TooLarge,
    414: RequestError,
    415: RequestError,
    429: Unavailable,
    431: RequestError,
    500: RequestError,
    503: Unavailable,
}


def received(refusal: Refusal) -> RequestError:
    """The exception that the client makes of a reply of the server."""
    return RequestError.parse(orjson.loads(native.encode_error(7, refusal))["error"])


@pytest.mark.parametrize("code", Code)
def test_each_code_of_the_server_becomes_the_exception_of_its_status(code: Code) -> None:
    error = received(Refusal(code, "No."))

    kind = TokenExpired if code is Code.TOKEN_EXPIRED else KIND_OF_STATUS[code.status]
    assert type(error) is kind
    assert (error.code, error.status) == (code, code.status)
    assert (error.message, error.retry) == ("No.", code.retry)
    assert str(error) == f"No. (code {code.value}, status {code.status})"


def test_a_revision_mismatch_holds_the_newest_document() -> None:
    error = received(Refusal(Code.REVISION_MISMATCH, "Newer.", newest=DOCUMENT))

    assert isinstance(error, RevisionMismatch)
    assert error.document is not None
    assert (error.document.revision, error.document.data) == (5, {"a": 1})


def test_a_revision_mismatch_may_come_without_it() -> None:
    error = received(Refusal(Code.REVISION_MISMATCH, "Newer."))

    assert isinstance(error, RevisionMismatch)
    assert error.document is None


def test_no_other_refusal_has_a_document() -> None:
    body = native.error_body(Refusal(Code.CONFLICT, "No.")) | {"document": None}

    assert not hasattr(RequestError.parse(body), "document")


@pytest.mark.parametrize("body", [{}, {"code": "x", "status": 400, "message": ""}])
def test_what_is_no_error_body_is_not_taken_for_one(body: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        RequestError.parse(body)


def test_a_local_refusal_is_that_of_the_server() -> None:
    error = TooLarge.local(Code.TOO_LARGE, "Too large.")

    assert type(error) is TooLarge
    assert error.args == received(Refusal(Code.TOO_LARGE, "Too large.")).args


@pytest.mark.parametrize(
    ("error", "text", "retry"),
    [
        (RequestTimeout("set", 30), "no reply to set within 30 s; its outcome is unknown", True),
        (RequestTimeout("set", 0.5), "no reply to set within 0.5 s; its outcome is unknown", True),
        (ConnectionLost("gone"), "gone", True),
        (ConnectionLost("gone", 4500, retry=False), "gone (close code 4500)", False),
        (WebSocketBlocked("blocked"), "blocked", True),
        (ClientClosed(), "the client is closed", False),
        (DocumentClosed(), "this handle of the document is closed", False),
    ],
)
def test_each_says_what_happened_and_whether_to_try_again(
    error: SynclineError, text: str, retry: bool
) -> None:
    assert str(error) == text
    assert error.retry is retry


def test_all_can_be_caught_as_one_and_are_drawn_in_the_tree() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", inspect.getdoc(errors) or "", re.MULTILINE)

    assert all(issubclass(kind, SynclineError) for kind in classes)
    assert sorted(set(drawn) & set(errors.__all__)) == sorted(errors.__all__)


@pytest.mark.parametrize(
    "error",
    [
        received(Refusal(Code.REVISION_MISMATCH, "Newer.", newest=DOCUMENT)),
        RequestTimeout("set", 30),
        ConnectionLost("gone", 4500, retry=False),
        DocumentClosed(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_reaches_another_process_whole(error: SynclineError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
