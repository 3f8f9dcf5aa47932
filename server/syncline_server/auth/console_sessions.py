"""Console sessions: logins of people whom an OpenID provider has authenticated.

A session is a Basic login, like an API key, that lasts for a bounded time: `CS` and 32 hexadecimal
digits with a secret. It may do what the account may. The sessions are in Redis, by digests of their
secrets, so that all processes know them and that a logout ends one everywhere.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import SYSTEM
from syncline_server.config.credentials import make_secret
from syncline_server.storage import keys
from syncline_server.storage.change_watcher import ChangeWatcher, make_version
from syncline_server.storage.data_set_poll import DataSetPoll
from syncline_server.storage.errors import StorageError
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Argument
from syncline_server.storage.scripts import CONSOLE_SESSION, by_name

from .keyring import digest
from .principal import SESSION_PREFIX, Principal

__all__ = ["ConsoleSession", "ConsoleSessions"]

logger = logging.getLogger("syncline.console")

ATTEMPTS = 3
"""How often a session is added while other logins take the last place."""

_NOBODYS = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session as it is stored.

    Attributes:
        person: who logged in, as the provider names them.
        digest: hexadecimal digest of the secret.
        ends_ms: when it ends, in milliseconds since the epoch.
        basis: digest of the settings that made the person an administrator.
    """

    sid: str
    person: str
    digest: str = field(repr=False)
    ends_ms: int
    basis: str


class ConsoleSessions:
    """All sessions. Every method but `start`, `stop` and `has` raises `Refusal` with `UNAVAILABLE`
    while Redis is away."""

    def __init__(
        self,
        redis: Redis,
        *,
        lifetime: int,
        limit: int,
        basis: str,
        poll: DataSetPoll | None = None,
    ) -> None:
        """
        Args:
            lifetime: seconds that a session lasts.
            limit: how many there may be; one more ends the one that began first.
            basis: digest of the settings; sessions of other settings are not accepted.
            poll: see `ChangeWatcher`.
        """
        self._redis = redis
        self._lifetime = lifetime
        self._limit = limit
        self._basis = basis
        self._sessions: dict[str, ConsoleSession] = {}
        self._unreadable: list[str] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._watcher = ChangeWatcher(redis, keys.SESSION_VERSION, self._read_again, poll)

    async def start(self) -> None:
        """Read all sessions, if Redis is reachable, and begin to watch for changes."""
        with suppress(StorageError):
            await self._watcher.refresh()
        self._watcher.start()

    async def stop(self) -> None:
        """Stop watching for changes."""
        await self._watcher.stop()
        for timer in self._timers.values():
            timer.cancel()

    def on_end(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the SID of each session that ends. It must not block."""
        self._listeners.append(listener)

    def has(self, sid: str) -> bool:
        """True for a session that has not ended."""
        session = self._sessions.get(sid)
        return (
            session is not None
            and session.basis == self._basis
            and session.ends_ms > self._redis.now_ms()
        )

    async def create(self, person: str) -> tuple[ConsoleSession, str]:
        """Begin a session; returns it and its secret, which nothing returns later."""
        secret = make_secret()
        session = ConsoleSession(
            sid=f"{SESSION_PREFIX}{secrets.token_hex(16)}",
            person=person,
            digest=digest(secret).hex(),
            ends_ms=self._redis.now_ms() + self._lifetime * 1000,
            basis=self._basis,
        )
        record = orjson.dumps(asdict(session))
        for _ in range(ATTEMPTS):
            await self._watcher.refresh()
            await self._make_room()
            reply = await self._commit("add", session.sid, record=record, limit=self._limit)
            if reply != b"full":
                return session, secret
        raise Refusal(Code.UNAVAILABLE, "Too many people log in to the console now. Try again.")

    async def end(self, sid: str) -> None:
        """End a session, on all servers; do nothing if it has ended."""
        await self._commit("end", sid)

    async def principal(self, sid: str, password: str) -> Principal:
        """The caller that a session's login authenticates. Raises `AUTHENTICATION_FAILED`."""
        if sid not in self._sessions:
            # Another process may have begun it a moment ago.
            await self._watcher.refresh()
        session = self._sessions.get(sid)
        expected = _NOBODYS if session is None else bytes.fromhex(session.digest)
        is_right = hmac.compare_digest(digest(password), expected)
        if session is None or not is_right or not self.has(sid):
            raise Refusal(
                Code.AUTHENTICATION_FAILED, "The console session is unknown or has ended."
            )
        return Principal(
            identity=SYSTEM, service=None, expires_at=None, key=sid, person=session.person
        )

    async def _make_room(self) -> None:
        """End what is over or cannot be read, and the earliest beyond the limit."""
        for sid in self._unreadable:
            await self._commit("end", sid)
        others = sorted(self._sessions.values(), key=lambda each: each.ends_ms)
        surplus = len(others) - self._limit + 1
        now = self._redis.now_ms()
        for place, each in enumerate(others):
            if place < surplus or each.ends_ms <= now:
                await self._commit("end", each.sid)

    async def _commit(self, verb: str, sid: str, **others: Argument | None) -> bytes:
        """Commit a change, then read the sessions again, so that this process has it at once."""
        named = {"verb": verb, "version": make_version(), "sid": sid, **others}
        reply: bytes = await self._redis.commit(CONSOLE_SESSION, keys.ALL_SERVICES, *by_name(named))
        await self._watcher.refresh()
        return reply

    async def _read_again(self) -> None:
        records = await self._redis.execute("HGETALL", keys.SESSIONS)
        sids = [sid.decode(errors="replace") for sid in records[::2]]
        found = {sid: _read(text) for sid, text in zip(sids, records[1::2], strict=True)}
        before = self._sessions
        # Sessions of other settings stay, so that they count and are ended when they are over.
        self._sessions = {sid: each for sid, each in found.items() if each is not None}
        self._unreadable = [sid for sid, each in found.items() if each is None]
        for sid in before.keys() - self._sessions.keys():
            self._notify_end(sid)
        for session in self._sessions.values():
            self._start_timer(session)

    def _start_timer(self, session: ConsoleSession) -> None:
        left = session.ends_ms - self._redis.now_ms()
        if left > 0 and session.sid not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[session.sid] = loop.call_later(left / 1000, self._notify_end, session.sid)

    def _notify_end(self, sid: str) -> None:
        if (timer := self._timers.pop(sid, None)) is not None:
            timer.cancel()
        for listener in self._listeners:
            listener(sid)


def _read(text: bytes) -> ConsoleSession | None:
    try:
        session = ConsoleSession(**orjson.loads(text))
        bytes.fromhex(session.digest)
    except (TypeError, ValueError) as error:
        logger.error("a console session cannot be read: %s", error)
        return None
    return session
