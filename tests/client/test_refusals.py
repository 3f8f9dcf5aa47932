"""Which HTTP replies are Syncline's own errors."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from support.vectors import each
from syncline import ConnectionLost, RequestError, RevisionMismatch
from syncline.refusals import RETRY_AFTER_LIMIT, refusal, retry_pause


@each("errors")
def test_vectors(vector: dict[str, Any]) -> None:
    body = vector["body"]
    content: dict[str, Any] = {"text": body} if isinstance(body, str) else {"json": body}
    response = httpx2.Response(
        vector["status"],
        headers=vector.get("headers", {}),
        request=httpx2.Request("GET", "http://example.org"),
        **content,
    )
    error = refusal(response)

    assert error.retry_after == vector["retry_after"]
    if vector["error"] == "weather":
        assert isinstance(error, ConnectionLost)
        assert error.retry
        return
    assert isinstance(error, RequestError)
    assert (error.code, error.status) == (body["code"], body["status"])
    assert (error.message, error.retry) == (body["message"], vector["retry"])
    newest = error.document if isinstance(error, RevisionMismatch) else None
    assert (newest and newest.revision) == vector.get("document")


@pytest.mark.parametrize("seconds", [0, 0.5, 7, RETRY_AFTER_LIMIT])
def test_a_client_waits_at_least_as_long_as_it_was_asked_and_at_most_twice(seconds: float) -> None:
    pauses = [retry_pause(seconds) for _ in range(50)]

    assert seconds <= min(pauses) < max(pauses) <= seconds + max(seconds, 1)
