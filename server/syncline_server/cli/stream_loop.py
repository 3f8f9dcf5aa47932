"""The loop of commands that follow event streams: a stream that breaks is opened again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import click
import httpx2

from syncline import ConnectionLost, RequestError
from syncline_protocol.backoff import Backoff

from .access import Access
from .failures import printable

__all__ = ["follow_streams"]

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30
"""Maximum of the first pause and of any pause in seconds, after a lost connection."""


async def follow_streams(
    access: Access,
    attempt: Callable[[httpx2.AsyncClient], Awaitable[str | None]],
    was_open: Callable[[], bool],
) -> None:
    """Open one stream after the other, with pauses; report losses on stderr.

    Args:
        attempt: follows one stream. It returns why the stream ended, "" if that is not known, or
            None if there is nothing more to follow.
        was_open: whether a stream was open before; only then a failure is tried again.

    Raises:
        syncline.SynclineError, httpx2.TransportError: what `attempt` raised, if repeating does not
            cure it.
    """

    def authorize(request: httpx2.Request) -> httpx2.Request:
        request.headers["Authorization"] = access.authorization
        return request

    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    async with httpx2.AsyncClient(auth=authorize, verify=access.tls or True) as http:
        while True:
            started = time.monotonic()
            try:
                reason = await attempt(http)
                if reason is None:
                    return
            except (RequestError, ConnectionLost, httpx2.TransportError) as error:
                if not was_open() or not getattr(error, "retry", True):
                    raise
                reason = str(error) or repr(error)
            backoff.reset_if_stable(time.monotonic() - started)
            why = f" ({printable(reason)})" if reason else ""
            click.echo(f"connection lost{why}; connecting again", err=True)
            await asyncio.sleep(backoff.pause())
