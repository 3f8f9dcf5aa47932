"""Services: each a namespace of documents. `default` is made when it is first asked for.

What is read of them is kept, since every request needs it. Each process looks whether another one
changed a service (`lookout`); nothing is trusted that was not looked after for two seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from . import keys
from .change_watcher import Lookout, make_version
from .commit import now_ms
from .paging import Page, read_page
from .redis.client import Redis
from .redis.connection import Argument
from .scripts import SERVICE

__all__ = ["DEFAULT_NAME", "Service", "Services", "unknown_service"]

DEFAULT_NAME = "default"


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
        self._listeners: list[Changed] = []
        self._lookout = Lookout(redis, keys.SERVICE_VERSION, self._read_again)

    def start(self) -> None:
        """Look for changes from now on."""
        self._lookout.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._lookout.stop()

    def on_change(self, listener: Changed) -> None:
        """Call `listener` when a service that is known here has changed, here or elsewhere."""
        self._listeners.append(listener)

    def known(self, sid: str) -> Service | None:
        """The service as it was last seen; None if it is not known here."""
        return self._known.get(sid)

    async def find(self, address: str) -> Service | None:
        """The service with that SID, or the one named `default`; None if there is none."""
        if not self._lookout.is_current:
            await self._lookout.look(unless_current=True)
        found = self._known.get(self._sid(address))
        return found or await self._load(address)

    async def all(self) -> list[Service]:
        """All of them, in no order."""
        records = await self._redis.execute("HVALS", keys.SERVICES)
        return [_decode(record) for record in records]

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

    async def look(self) -> None:
        """Take note of what has changed."""
        await self._lookout.look()

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

    async def _load(self, address: str) -> Service | None:
        """Read what is not known yet."""
        # Not while the others are read again: this one would be left out.
        async with self._lookout.lock:
            if address == DEFAULT_NAME:
                record = await self._default()
            else:
                record = await self._redis.execute("HGET", keys.SERVICES, address)
            if record is None:
                return None
            service = self._known[_decode(record).sid] = _decode(record)
            if service.unique_name == DEFAULT_NAME:
                self._default_sid = service.sid
            return service

    async def _default(self) -> bytes:
        """The default service, made only where there is none: reads go on while writes are
        refused."""
        sid = await self._redis.execute("HGET", keys.SERVICE_NAMES, DEFAULT_NAME)
        found: bytes | None = sid and await self._redis.execute("HGET", keys.SERVICES, sid)
        if not found:
            made = _make(DEFAULT_NAME, {})
            _, found = await self._script("default", made.sid, _encode(made))
        return found

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
        reply: list[Any] = await self._redis.commit(
            SERVICE, keys.ALL_SERVICES, verb, make_version(), sid, *arguments
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
