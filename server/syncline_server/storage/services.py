"""Services: each a namespace of documents. `default` is made when it is first asked for.

What is read of them is kept, since every request needs it. Each process looks twice a second
whether another one changed a service, which costs one read of a short key; nothing is trusted that
was not looked after for longer than two seconds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from . import keys
from .commit import now_ms
from .connection import Argument, ReplyError
from .paging import Page, read_page
from .redis import Redis
from .scripts import SERVICE

__all__ = ["DEFAULT_NAME", "STALE_AFTER", "Service", "Services", "unknown_service"]

logger = logging.getLogger("syncline.services")

DEFAULT_NAME = "default"

LOOK_INTERVAL = 0.5
"""Seconds between looks for what other processes changed."""

STALE_AFTER = 2.0
"""Seconds after which what is kept must be looked after before it is used."""

VERSION_BYTES = 8
"""Random bytes that name a state of all services."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service; all but the first four members can be set.

    Attributes:
        unique_name: `default`, or None.
        created_ms, updated_ms: milliseconds since the epoch.
        webhook_url: None for no webhooks.
        acl_enabled: True where the bearers of tokens need permissions.
        reachability_debouncing_window: in milliseconds.
    """

    sid: str
    unique_name: str | None
    created_ms: int
    updated_ms: int
    friendly_name: str | None = None
    webhook_url: str | None = None
    webhooks_from_rest_enabled: bool = False
    reachability_webhooks_enabled: bool = False
    acl_enabled: bool = False
    reachability_debouncing_enabled: bool = False
    reachability_debouncing_window: int = 5000


Changed = Callable[[Service, Service | None], None]
"""Takes a service as it was, and as it is: None once it is deleted. Must not block."""


class Services:
    """All services. Every method raises `Refusal` with `UNAVAILABLE` while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Service] = {}
        self._default_sid: str | None = None
        self._version: bytes | None = None
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._listeners: list[Changed] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for changes from now on."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def on_change(self, listener: Changed) -> None:
        """Call `listener` when a service that is known here has changed, here or elsewhere."""
        self._listeners.append(listener)

    def known(self, sid: str) -> Service | None:
        """The service as it was last seen; None if it is not known here."""
        return self._known.get(sid)

    async def find(self, address: str) -> Service | None:
        """The service with that SID, or the one named `default`; None if there is none."""
        if asyncio.get_running_loop().time() - self._looked_at > STALE_AFTER:
            await self.look(STALE_AFTER)
        found = self._known.get(self._sid(address))
        return found or await self._load(address)

    async def page(self, size: int, token: str | None) -> Page[Service]:
        """At most `size` services, in the order of their SIDs; raises `INVALID_PAGE_TOKEN`."""
        await self.find(DEFAULT_NAME)
        page = await read_page(self._redis, keys.SERVICE_INDEX, size, token)
        records = await self._records(page.items)
        return Page([s for s in records if s is not None], page.previous, page.next)

    async def create(self, members: Mapping[str, Any], limit: int) -> Service:
        """A new service; raises `CONFLICT` where there are `limit` of them already."""
        made = _make(None, members)
        reply = await self._run("create", made.sid, _encode(made), limit)
        if reply[0] == b"full":
            raise Refusal(Code.CONFLICT, f"There are {limit} services, the most that are allowed.")
        return made

    async def update(self, address: str, members: Mapping[str, Any]) -> Service:
        """Set members of a service; raises `SERVICE_NOT_FOUND`."""
        changed = {**members, "updated_ms": now_ms()}
        reply = await self._run("update", await self._existing(address), orjson.dumps(changed))
        if reply[0] == b"absent":
            raise unknown_service(address)
        return _decode(reply[1])

    async def delete(self, address: str) -> None:
        """Make a service unknown, and order the removal of what it holds (see `deletions`).

        Raises:
            Refusal: `SERVICE_NOT_FOUND`; `FORBIDDEN` for the default service.
        """
        reply = await self._run("delete", await self._existing(address))
        if reply[0] == b"absent":
            raise unknown_service(address)
        if reply[0] == b"kept":
            raise Refusal(Code.FORBIDDEN, "The default service cannot be deleted.")

    async def look(self, patience: float | None = None) -> None:
        """Take note of what has changed, unless that was done less than `patience` seconds ago."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if patience is not None and now - self._looked_at <= patience:
                return
            version = await self._redis.execute("GET", keys.SERVICE_VERSION)
            if version != self._version:
                await self._read_again()
                self._version = version
            self._looked_at = now

    async def _read_again(self) -> None:
        sids = list(self._known)
        for sid, record in zip(sids, await self._records(sids), strict=True):
            before = self._known[sid]
            if record is None:
                del self._known[sid]
            else:
                self._known[sid] = record
            if record != before:
                for listener in self._listeners:
                    listener(before, record)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except (Refusal, ReplyError) as error:
                logger.debug("services cannot be looked at: %s", error)
            await asyncio.sleep(LOOK_INTERVAL)

    async def _load(self, address: str) -> Service | None:
        """Read what is not known yet."""
        # Not while the others are read again: this one would be left out.
        async with self._lock:
            if address == DEFAULT_NAME:
                made = _make(DEFAULT_NAME, {})
                _, record = await self._script("default", made.sid, _encode(made))
            else:
                record = await self._redis.execute("HGET", keys.SERVICES, address)
            if record is None:
                return None
            service = self._known[_decode(record).sid] = _decode(record)
            if service.unique_name == DEFAULT_NAME:
                self._default_sid = service.sid
            return service

    async def _records(self, sids: list[str]) -> list[Service | None]:
        if not sids:
            return []
        records = await self._redis.execute("HMGET", keys.SERVICES, *sids)
        return [None if record is None else _decode(record) for record in records]

    async def _existing(self, address: str) -> str:
        service = await self.find(address)
        if service is None:
            raise unknown_service(address)
        return service.sid

    async def _run(self, verb: str, sid: str, *arguments: Argument) -> list[Any]:
        """A change, which this process takes note of at once."""
        reply = await self._script(verb, sid, *arguments)
        await self.look()
        return reply

    async def _script(self, verb: str, sid: str, *arguments: Argument) -> list[Any]:
        version = secrets.token_bytes(VERSION_BYTES)
        reply: list[Any] = await self._redis.commit(
            SERVICE, keys.ALL_SERVICES, verb, version, sid, *arguments
        )
        return reply

    def _sid(self, address: str) -> str:
        return self._default_sid or address if address == DEFAULT_NAME else address


def unknown_service(address: str) -> Refusal:
    """There is no service with this SID or unique name."""
    return Refusal(Code.SERVICE_NOT_FOUND, f"There is no service {show(address)}.")


def _make(unique_name: str | None, members: Mapping[str, Any]) -> Service:
    now = now_ms()
    return Service(f"IS{secrets.token_hex(16)}", unique_name, now, now, **members)


def _encode(service: Service) -> bytes:
    return orjson.dumps(asdict(service))


def _decode(record: bytes) -> Service:
    return Service(**orjson.loads(record))
