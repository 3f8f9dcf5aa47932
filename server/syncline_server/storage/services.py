"""Services: the namespaces of objects. The service `default` is created when it is first used.

Every request needs its service, so each process caches the services that it has read. A
`ChangeWatcher` notices what other processes change; the cache is only used while it is current.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

from . import keys
from .change_watcher import ChangeWatcher, make_version
from .data_set_poll import DataSetPoll
from .errors import StorageError
from .filled_buckets import FilledBuckets
from .paging import Page, read_page
from .redis.client import Redis
from .redis.connection import Argument, connect
from .redis.engine import Engine
from .scripts import SERVICE, by_name

__all__ = ["DEFAULT_NAME", "Service", "Services", "check_default_service", "unknown_service"]

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service; clients can set all but the first four members.

    Attributes:
        unique_name: `default`, or None.
        created_ms, updated_ms: milliseconds since the epoch.
        webhook_url: None for no webhooks.
        acl_enabled: True if token holders need permissions.
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
"""Receives a service before and after a change; the second is None if it was deleted. Must not
block."""


class Services:
    """All services. Every method raises `Refusal` with `UNAVAILABLE` while Redis is away."""

    def __init__(
        self, redis: Redis, default_sid: str | None = None, *, poll: DataSetPoll | None = None
    ) -> None:
        """
        Args:
            default_sid: the SID for creating the default service; None for a random one. If that
                service has another SID already, this one is a second address of it.
            poll: see `ChangeWatcher`.
        """
        self._redis = redis
        self._configured_sid = default_sid
        self._known: dict[str, Service] = {}
        self._default_sid: str | None = None
        self._listeners: list[Changed] = []
        self._filled = FilledBuckets(redis)
        self._change_watcher = ChangeWatcher(redis, keys.SERVICE_VERSION, self._read_again, poll)

    def start(self) -> None:
        """Start watching for changes by other processes."""
        self._change_watcher.start()

    async def stop(self) -> None:
        """Stop watching."""
        await self._change_watcher.stop()

    def on_change(self, listener: Changed) -> None:
        """Call `listener` when a cached service was changed, by this or another process."""
        self._listeners.append(listener)

    def known(self, sid: str) -> Service | None:
        """The cached service, which may be out of date; None if this process has not read it."""
        return self._known.get(sid)

    def addresses(self, service: Service) -> tuple[str | None, ...]:
        """All addresses of this service, in paths and in tokens."""
        if service.unique_name != DEFAULT_NAME:
            return (service.sid,)
        return (service.sid, DEFAULT_NAME, self._configured_sid)

    async def find(self, address: str) -> Service | None:
        """The service with that SID or the name `default`; None if there is none."""
        if not self._change_watcher.is_current:
            await self._change_watcher.refresh(unless_current=True)
        found = self._known.get(self._sid(address))
        return found or await self._load(address)

    def find_at_once(self, address: str) -> Service | None:
        """As `find`; None also if that would have to wait for Redis."""
        if not self._change_watcher.is_current:
            return None
        return self._known.get(self._sid(address))

    async def all(self) -> list[Service]:
        """All services, in no order."""
        records = await self._redis.execute("HVALS", keys.SERVICES)
        return [_decode(record) for record in records]

    async def page(self, size: int, token: str | None) -> Page[Service]:
        """At most `size` services, in the order of their SIDs; raises `INVALID_PAGE_TOKEN`."""
        await self.find(DEFAULT_NAME)
        page = await read_page(self._redis, keys.SERVICE_INDEX, size, token)
        records = await self._records(page.items)
        return Page([s for s in records if s is not None], page.previous, page.next)

    async def create(
        self, members: Mapping[str, Any], limit: int, sid: str | None = None
    ) -> Service:
        """Create a service.

        Args:
            limit: services that may exist.
            sid: None for a random one.

        Raises:
            Refusal: `CONFLICT` if `limit` services exist already, or one with that SID.
        """
        made = _make(sid, None, self._redis.now_ms(), members)
        if sid is not None and sid == self._configured_sid:
            raise _sid_taken(sid)
        reply = await self._run("create", made.sid, record=_encode(made), limit=limit)
        if reply[0] == b"taken":
            raise _sid_taken(made.sid)
        if reply[0] == b"full":
            raise Refusal(Code.CONFLICT, f"There are {limit} services, the maximum.")
        await self._filled.mark_complete(made.sid)
        return made

    async def update(self, address: str, members: Mapping[str, Any]) -> Service:
        """Set members of a service; raises `SERVICE_NOT_FOUND`."""
        changed = {**members, "updated_ms": self._redis.now_ms()}
        sid = await self._existing(address)
        reply = await self._run("update", sid, members=orjson.dumps(changed))
        if reply[0] == b"absent":
            raise unknown_service(address)
        return _decode(reply[1])

    async def delete(self, address: str) -> None:
        """Make a service unknown, and order the removal of its objects (see `deletions`).

        Raises:
            Refusal: `SERVICE_NOT_FOUND`; `FORBIDDEN` for the default service.
        """
        reply = await self._run("delete", await self._existing(address))
        if reply[0] == b"absent":
            raise unknown_service(address)
        if reply[0] == b"kept":
            raise Refusal(Code.FORBIDDEN, "The default service cannot be deleted.")

    async def refresh(self) -> None:
        """Read the services again if they have changed."""
        await self._change_watcher.refresh()

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
        """Read a service that is not cached yet."""
        # Not during `_read_again`: it would not include this service, whose record could be older
        # than the version that the watcher then stores.
        async with self._change_watcher.lock:
            if self._is_default(address):
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
        """The record of the default service, which is created if there is none.

        Read first, so that an existing service can be used while writes are refused.
        """
        sid = await self._redis.execute("HGET", keys.SERVICE_NAMES, DEFAULT_NAME)
        found: bytes | None = sid and await self._redis.execute("HGET", keys.SERVICES, sid)
        if not found:
            made = _make(self._configured_sid, DEFAULT_NAME, self._redis.now_ms(), {})
            status, *rest = await self._script("default", made.sid, record=_encode(made))
            if status == b"taken":
                raise _sid_taken(made.sid)
            [found] = rest
            if _decode(found).sid == made.sid:
                await self._filled.mark_complete(made.sid)
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

    async def _run(self, verb: str, sid: str, **others: Argument) -> list[Any]:
        """Apply a change, and update this process' cache at once."""
        reply = await self._script(verb, sid, **others)
        await self.refresh()
        return reply

    async def _script(self, verb: str, sid: str, **others: Argument) -> list[Any]:
        named = {"verb": verb, "version": make_version(), "sid": sid, **others}
        reply: list[Any] = await self._redis.commit(SERVICE, keys.ALL_SERVICES, *by_name(named))
        return reply

    def _sid(self, address: str) -> str:
        return self._default_sid or DEFAULT_NAME if self._is_default(address) else address

    def _is_default(self, address: str) -> bool:
        return address in (DEFAULT_NAME, self._configured_sid)


def unknown_service(address: str) -> Refusal:
    """The error for an address (SID or unique name) without a service."""
    return Refusal(Code.SERVICE_NOT_FOUND, f"There is no service {show(address)}.")


async def check_default_service(engine: Engine, settings: Settings) -> None:
    """Check the setting `default_service_sid` at start; if Redis is away, the first use checks it.

    Raises:
        SettingError: another service has that SID.
    """
    sid = settings.default_service_sid
    if sid is None:
        return
    key = f"{settings.redis_prefix}{keys.SERVICES}"
    try:
        address = await engine.address(engine.shard_of(key))
        connection = await connect(address, settings.redis_timeout)
    except (OSError, LookupError, StorageError):
        return
    try:
        record = await connection.execute("HGET", key, sid)
    except StorageError:
        return
    finally:
        connection.abort()
    if record is not None and _decode(record).unique_name != DEFAULT_NAME:
        raise SettingError(
            f"--default-service-sid {sid} is the SID of a service that is not the default one; "
            "delete that service, or choose another SID"
        )


def _sid_taken(sid: str) -> Refusal:
    return Refusal(
        Code.CONFLICT,
        f"The SID {sid} belongs to another service, or to one whose deletion is not finished.",
    )


def _make(
    sid: str | None, unique_name: str | None, now: int, members: Mapping[str, Any]
) -> Service:
    return Service(
        sid=sid or f"IS{secrets.token_hex(16)}",
        unique_name=unique_name,
        created_ms=now,
        updated_ms=now,
        **members,
    )


def _encode(service: Service) -> bytes:
    return orjson.dumps(asdict(service))


def _decode(record: bytes) -> Service:
    return Service(**orjson.loads(record))
