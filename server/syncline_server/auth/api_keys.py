"""API keys in Redis, which can be created and revoked while servers run.

Secrets that sign access tokens are encrypted under the master key, each bound to its key's SID. For
a key that serves logins only, a digest of the secret is stored. The API never returns a secret
after the creation of its key.

Revoked keys are remembered, because a server's configuration may contain them too.
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
from syncline_server.config.encryption import Broken, SecretCipher
from syncline_server.observability.metrics import Limit
from syncline_server.storage import keys
from syncline_server.storage.change_watcher import ChangeWatcher, make_version
from syncline_server.storage.data_set_poll import DataSetPoll
from syncline_server.storage.errors import StorageError
from syncline_server.storage.paging import Cursor, Page
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Argument
from syncline_server.storage.scripts import API_KEY, by_name

from .keyring import UNREADABLE, ApiKey, Keyring, digest

__all__ = ["ApiKeys", "Record"]

logger = logging.getLogger("syncline.keys")

REVOKED_LIMIT = 10_000
"""Maximum revoked keys that are remembered; beyond, the earliest is forgotten."""

OTHER_MASTER = (
    "all servers on one Redis need the same master key, in SYNCLINE_MASTER_KEY or in master.key of "
    "the data directory"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An API key as it is stored; a key of the configuration has only its SID.

    Attributes:
        created_ms: milliseconds since the epoch; None for a key of the configuration.
        sealed: the secret, encrypted for the SID; None for a key with a digest.
        digest: hexadecimal digest of the secret; None for a key that signs access tokens.
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
    """All API keys. Every method but `start` and `stop` raises `Refusal` with `UNAVAILABLE` while
    Redis is away."""

    def __init__(
        self,
        redis: Redis,
        secret_cipher: SecretCipher,
        keyring: Keyring,
        limit_hits: Counter[Limit],
        *,
        poll: DataSetPoll | None = None,
    ) -> None:
        """
        Args:
            known: receives each change.
            limit_hits: counts hits of limits, by setting.
            poll: see `ChangeWatcher`.
        """
        self._redis = redis
        self._secret_cipher = secret_cipher
        self._keyring = keyring
        self._limit_hits = limit_hits
        self._records: dict[str, Record] = {}
        self._change_watcher = ChangeWatcher(redis, keys.API_KEY_VERSION, self._read_again, poll)

    async def start(self) -> None:
        """Read all keys, if Redis is reachable, and begin to watch for changes."""
        self._keyring.use_currency(lambda: self._change_watcher.is_current)
        with suppress(StorageError):
            await self.refresh()
        self._change_watcher.start()

    async def stop(self) -> None:
        """Stop watching for changes."""
        await self._change_watcher.stop()

    async def refresh(self) -> None:
        """Read the keys again if the set has changed."""
        await self._change_watcher.refresh()

    async def page(self, size: int, token: str | None) -> Page[Record]:
        """At most `size` valid keys, in the order of SIDs. Raises `INVALID_PAGE_TOKEN`."""
        cursor = Cursor.parse(token)
        await self.refresh()
        sids = sorted({*self._records, *filter(self._keyring.has, self._keyring.configured)})
        if cursor.backwards:
            found = [sid for sid in reversed(sids) if sid < cursor.key]
        else:
            found = [sid for sid in sids if sid > cursor.key]
        page = cursor.cut(found[: size + 1], size, str)
        return Page([self._record(sid) for sid in page.items], page.previous, page.next)

    async def find(self, sid: str) -> Record:
        """The record of a valid key. Raises `NOT_FOUND`."""
        await self.refresh()
        if not self._keyring.has(sid):
            raise _unknown(sid)
        return self._record(sid)

    async def create(
        self, friendly_name: str | None, login_only: bool, limit: int
    ) -> tuple[Record, str]:
        """Create a key; returns its record and its secret, which nothing returns later.

        Raises:
            Refusal: `CONFLICT` if there are `limit` keys already, or if Redis has secrets that are
                encrypted under another master key.
        """
        sid = f"SK{secrets.token_hex(16)}"
        secret = make_secret()
        record = Record(sid=sid, friendly_name=friendly_name, created_ms=self._redis.now_ms())
        if login_only:
            made = replace(record, digest=digest(secret).hex())
        else:
            made = replace(record, sealed=self._secret_cipher.seal(sid, secret))
        fingerprint = None if login_only else self._secret_cipher.fingerprint
        encoded = orjson.dumps(asdict(made))
        reply = await self._commit("add", sid, limit, record=encoded, fingerprint=fingerprint)
        if reply == b"full":
            self._limit_hits[Limit.MAX_KEYS] += 1
            raise Refusal(Code.CONFLICT, f"There are {limit} API keys, the maximum.")
        if reply == b"other":
            raise Refusal(
                Code.CONFLICT,
                "The API keys in Redis are encrypted under another master key than this server's.",
            )
        return made, secret

    async def revoke(self, sid: str) -> None:
        """Make a key invalid permanently, on all servers. Raises `NOT_FOUND`."""
        known = 1 if sid in self._keyring.configured else None
        if await self._commit("revoke", sid, REVOKED_LIMIT, known=known) == b"absent":
            raise _unknown(sid)

    def _record(self, sid: str) -> Record:
        return self._records.get(sid) or Record(sid=sid)

    async def _commit(self, verb: str, sid: str, limit: int, **others: Argument | None) -> bytes:
        """Commit a change, then read the keys again, so that this process has it at once."""
        named = {"verb": verb, "version": make_version(), "sid": sid, "limit": limit, **others}
        reply: bytes = await self._redis.commit(API_KEY, keys.ALL_SERVICES, *by_name(named))
        await self.refresh()
        return reply

    async def _read_again(self) -> None:
        records = await self._redis.execute("HGETALL", keys.API_KEYS)
        # Read after the records: a key that is revoked between the two reads is then in both, and
        # counts as revoked. In the other order it would be in neither: unknown instead of revoked,
        # or still valid if the configuration has it.
        revoked = await self._redis.execute("ZRANGE", keys.REVOKED, 0, -1)
        sids = [sid.decode(errors="replace") for sid in records[::2]]
        read = [self._read(sid, text) for sid, text in zip(sids, records[1::2], strict=True)]
        self._records = {record.sid: record for record, _ in read}
        stored = {record.sid: key for record, key in read}
        self._keyring.replace_stored(stored, {sid.decode(errors="replace") for sid in revoked})

    def _read(self, sid: str, text: bytes) -> tuple[Record, ApiKey]:
        record = Record(sid=sid, created_ms=0)
        try:
            record = replace(Record(**orjson.loads(text)), sid=sid)
            if record.digest is not None:
                return record, ApiKey(bytes.fromhex(record.digest), None)
            return record, ApiKey.of(self._secret_cipher.open(sid, record.sealed or ""))
        except (Broken, TypeError, ValueError) as error:
            logger.error("API key %s cannot be used here: %s; %s", sid, error, OTHER_MASTER)
            return record, UNREADABLE


def _unknown(sid: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"There is no API key {show(sid)}.")
