"""Both clients of a back end in one test: what the async one awaits, the blocking one returns."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.limits import WAIT_LIMIT
from support.server import RunningServer
from syncline import AsyncService, Service

__all__ = ["KINDS", "begun", "collect", "now", "open_service"]

KINDS = {"blocking": Service, "async": AsyncService}


def open_service(kind: str, server: RunningServer, url: str = "", **options: Any) -> Any:
    """A client of the account, which signs tokens by the first API key."""
    known = server.credentials
    key_sid, key_secret = next(iter(known.api_keys.items()))
    # Where a test sets none, the machine may be as busy as it likes.
    options = dict.fromkeys(("timeout", "reply_timeout", "mutate_timeout"), WAIT_LIMIT) | options
    return KINDS[kind](
        url or server.url,
        known.account_sid,
        known.auth_token,
        key_sid=key_sid,
        key_secret=key_secret,
        **options,
    )


async def now(returned: Any) -> Any:
    """The result of a call of either client."""
    return await returned if inspect.isawaitable(returned) else returned


async def collect(iterator: Any) -> list[Any]:
    """All that an iterator of either client gives."""
    if hasattr(iterator, "__aiter__"):
        return [each async for each in iterator]
    return list(iterator)


@asynccontextmanager
async def begun(context: Any) -> AsyncIterator[Any]:
    """A context manager of either client."""
    if hasattr(context, "__aenter__"):
        async with context as entered:
            yield entered
    else:
        with context as entered:
            yield entered
