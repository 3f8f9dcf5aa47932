"""The clock of a server with `--test-clock`, which the account reads and moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend
from syncline_server.config.clock import MOST, clock
from syncline_server.config.clock_file import save_offset
from syncline_server.http.authentication import require_account
from syncline_server.http.body import read_parameters
from syncline_server.http.loopback import is_local
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import by_name

__all__ = ["routes"]

PATH = "/v1/TestClock"

_SPELLINGS = {"Seconds": "Seconds", "seconds": "Seconds"}


def routes(backend: Backend, sweep: Callable[[], Awaitable[None]]) -> list[Route]:
    """The routes of the clock; none without `--test-clock`.

    `sweep` removes what has expired, and publishes its events.
    """
    settings = backend.settings
    if not settings.test_clock:
        return []

    async def check(request: Request) -> None:
        if not is_local(request):
            raise Refusal(Code.FORBIDDEN, "Only clients on this machine may use the test clock.")
        await require_account(backend, request)
        check_query(request)

    async def fetch(request: Request) -> Response:
        await check(request)
        return json_reply(_resource())

    async def move(request: Request) -> Response:
        await check(request)
        given = by_name(await read_parameters(request, settings, backend.work.turn), _SPELLINGS)
        try:
            clock.advance(_milliseconds(given.get("Seconds")))
        except ValueError:
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"Seconds must be more than 0, and all moves together at most {MOST}.",
            ) from None
        save_offset(settings.data_dir)
        # The events of what has expired go out before connections end with their tokens.
        await sweep()
        clock.notify()
        return json_reply(_resource())

    return [Route(PATH, {"GET": fetch, "POST": move})]


def _milliseconds(seconds: Any) -> int:
    """Raises `ValueError` for what is no number above 0 that the clock allows."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        raise ValueError
    number = float(seconds)
    if not 0 < number <= MOST:  # also NaN
        raise ValueError
    return max(1, round(number * 1000))


def _resource() -> dict[str, Any]:
    now = format_milliseconds(round(clock.now() * 1000))
    return {"offset_seconds": clock.offset_ms / 1000, "now": now}
