"""Which HTTP errors are Syncline's own."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from syncline import ConnectionLost, NotFound
from syncline.refusals import refusal

NEW_CODE = 54999
"""A code that this client does not know."""


def response(more_info: object, code: object = NEW_CODE, status: int = 404) -> httpx2.Response:
    body: dict[str, Any] = {"code": code, "message": "no", "status": 404, "more_info": more_info}
    request = httpx2.Request("GET", "http://example.org")
    return httpx2.Response(status, json=body, request=request)


@pytest.mark.parametrize(
    "more_info", ["https://www.twilio.com/docs/errors/54999", "http://docs.example/errors/54999"]
)
def test_a_code_that_more_info_names_too_is_final(more_info: str) -> None:
    error = refusal(response(more_info))

    assert isinstance(error, NotFound)
    assert error.code == NEW_CODE


@pytest.mark.parametrize(
    "other",
    [
        response(None),
        response(54999),
        response("http://gateway.example/help"),
        response("http://gateway.example/errors/54998"),
        response("http://gateway.example/errors/154999"),
        response("http://gateway.example/errors/54999", status=502),
        response("http://gateway.example/errors/True", code=True),
    ],
)
def test_any_other_code_that_is_not_known_is_a_lost_connection(other: httpx2.Response) -> None:
    assert isinstance(refusal(other), ConnectionLost)
