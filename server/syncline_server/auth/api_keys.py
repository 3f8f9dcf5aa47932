"""The API keys that are kept in Redis, so that they come and go while all servers run.

Secrets that sign access tokens are encrypted under the master key, each bound to its key's SID; of
a secret that serves logins only, a digest is kept. Either way nobody gets it back from here.

A key that was revoked is remembered, because a configuration may hold it too.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.config.credentials import make_secret
from syncline_server.config.encryption import Broken, Vault
from syncline_server.storage import keys
from syncline_server.storage.change_watcher import Lookout, make_version
from syncline_server.storage.paging import Cursor, Page
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Argument, ReplyError
from syncline_server.storage.scripts import API_KEY

from .keyring import UNREADABLE, ApiKey, KnownKeys, digest

__all__ = ["ApiKeys", "Record"]

logger = logging.getLogger("syncline.keys")

REVOKED_LIMIT = 10_000
"""Revoked keys that are remembered; then the one that was revoked first is forgotten."""

OTHER_MASTER = (
    "all servers on one Redis need the same master key, in SYNCLINE_MASTER_KEY or in master.key of "
    "the data directory"
)


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a key; of one that a configuration holds, no more than its SID.

    Attributes:
        created_ms: milliseconds since the epoch; None for a key of the configuration.
        sealed: its secret, encrypted for its SID; None where there is a digest.
        digest: of its secret, hexadecimal; None for a key that signs access tokens.
    """

    sid: str
    friendly_name: str | None = None
    created_ms: int | None = None
    sealed: str | None = field(default=None, repr=False)
    digest: str | None = field(default=None, repr=False)

    @property
    def login_only(self) -> bool:
        """True for a key that cannot sign access tokens."""
        return self.digest is not None

    @property
    def configured(self) -> bool:
        """True for a key of this server's configuration."""
        return self.created_ms is None


class ApiKeys:
    """All keys. Every method raises `Refusal` with `UNAVAILABLE` while Redis is away."""

    def __init__(self, redis: Redis, vault: Vault, known: KnownKeys, bounds: Counter[str]) -> None:
        """
        Args:
            known: is told of each change.
            bounds: counts the limits that are hit, by their settings.
        """
        self._redis = redis
        self._vault = vault
        self._known = known
        self._bounds = bounds
        self._records: dict[str, Record] = {}
        self._lookout = Lookout(redis, keys.API_KEY_VERSION, self._read_again)

    async def start(self) -> None:
        """Read all, if Redis is there, and look for changes from now on."""
        self._known.follow(lambda: self._lookout.is_current)
        with suppress(Refusal, ReplyError):
            await self.look()
        self._lookout.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._lookout.stop()

    async def look(self) -> None:
        """Take note of what has changed."""
        await self._lookout.look()

    async def page(self, size: int, token: str | None) -> Page[Record]:
        """At most `size` keys that are valid, in the order of SIDs; raises `INVALID_PAGE_TOKEN`."""
        cursor = Cursor.parse(token)
        await self.look()
        sids = sorted({*self._records, *filter(self._known.has, self._known.configured)})
        if cursor.backwards:
            found = [sid for sid in reversed(sids) if sid < cursor.key]
        else:
            found = [sid for sid in sids if sid > cursor.key]
        page = cursor.cut(found[: size + 1], size, str)
        return Page([self._record(sid) for sid in page.items], page.previous, page.next)

    async def find(self, sid: str) -> Record:
        """One that is valid; raises `NOT_FOUND`."""
        await self.look()
        if not self._known.has(sid):
            raise _unknown(sid)
        return self._record(sid)

    async def create(
        self, friendly_name: str | None, login_only: bool, limit: int
    ) -> tuple[Record, str]:
        """A new key, and its secret, which is told only here.

        Raises:
            Refusal: `CONFLICT` where `limit` keys are kept already, or where Redis holds secrets
                that are encrypted under another master key.
        """
        sid = f"SK{secrets.token_hex(16)}"
        secret = make_secret()
        record = Record(sid, friendly_name, self._redis.now_ms())
        if login_only:
            made = replace(record, digest=digest(secret).hex())
        else:
            made = replace(record, sealed=self._vault.seal(sid, secret))
        fingerprint = "" if login_only else self._vault.fingerprint
        reply = await self._run("add", sid, orjson.dumps(asdict(made)), limit, fingerprint)
        if reply == b"full":
            self._bounds["max_keys"] += 1
            raise Refusal(Code.CONFLICT, f"There are {limit} API keys, the most that are allowed.")
        if reply == b"other":
            raise Refusal(
                Code.CONFLICT,
                "The API keys in Redis are encrypted under another master key than this server's.",
            )
        return made, secret

    async def revoke(self, sid: str) -> None:
        """Make a key invalid, for ever and everywhere; raises `NOT_FOUND`."""
        configured = "1" if sid in self._known.configured else ""
        if await self._run("revoke", sid, configured, REVOKED_LIMIT) == b"absent":
            raise _unknown(sid)

    def _record(self, sid: str) -> Record:
        return self._records.get(sid) or Record(sid)

    async def _run(self, verb: str, sid: str, *arguments: Argument) -> bytes:
        """A change, which this process takes note of at once."""
        reply: bytes = await self._redis.commit(
            API_KEY, keys.ALL_SERVICES, verb, make_version(), sid, *arguments
        )
        await self.look()
        return reply

    async def _read_again(self) -> None:
        records = await self._redis.execute("HGETALL", keys.API_KEYS)
        # Read after the records: one that is revoked in between is in both.
        revoked = await self._redis.execute("ZRANGE", keys.REVOKED, 0, -1)
        sids = [sid.decode(errors="replace") for sid in records[::2]]
        read = [self._read(sid, text) for sid, text in zip(sids, records[1::2], strict=True)]
        self._records = {record.sid: record for record, _ in read}
        stored = {record.sid: key for record, key in read}
        self._known.put(stored, {sid.decode(errors="replace") for sid in revoked})

    def _read(self, sid: str, text: bytes) -> tuple[Record, ApiKey]:
        record = Record(sid, created_ms=0)
        try:
            record = replace(Record(**orjson.loads(text)), sid=sid)
            if record.digest is not None:
                return record, ApiKey(bytes.fromhex(record.digest), None)
            return record, ApiKey.of(self._vault.open(sid, record.sealed or ""))
        except (Broken, TypeError, ValueError) as error:
            logger.error("API key %s is of no use here: %s; %s", sid, error, OTHER_MASTER)
            return record, UNREADABLE


def _unknown(sid: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"There is no API key {show(sid)}.")
