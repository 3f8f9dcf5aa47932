"""Look-ups of headers in the scope of a request: as Starlette's `Headers` has them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from syncline_server.http.headers import header


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers)}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"https://a.example")],
        [(b"host", b"a"), (b"origin", b"")],
        [(b"origin", b"first"), (b"origin", b"second")],
        [(b"x-origin", b"other"), (b"origin", "ü".encode("latin-1"))],
    ],
)
def test_a_header_has_the_value_that_starlette_shows(headers: list[tuple[bytes, bytes]]) -> None:
    given = scope(*headers)
    assert header(given, b"origin") == Headers(scope=given).get("Origin")
