"""The data set in Redis: its id, and the account that owns it.

Two data sets must never meet. All databases of a Redis server share their channels, so channel
names contain the number of the database and the id of the data set. A server with another account
is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from syncline_server.config.encryption import SecretCipher
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.storage import keys
from syncline_server.storage.errors import StorageError
from syncline_server.storage.scripts import DATA_SET, by_name

from .connection import Connection, connect
from .engine import Engine

__all__ = ["DataSet", "check_data_set"]

ID_BYTES = 8
"""Random bytes of a data set's id."""


class DataSet:
    """The data set that a process serves.

    Attributes:
        id: None while it is not known. If Redis has lost it with its data, it is set again, so that
            all processes go on with the same id.
        prefix: begins every key and channel.
        problem: why nothing may be read or written here; None if everything may.
    """

    def __init__(self, account_sid: str, prefix: str) -> None:
        """
        Args:
            account_sid: this server's account; "" skips the check.
            prefix: begins every key.
        """
        self.id: str | None = None
        self.problem: str | None = None
        self._account = account_sid
        self.prefix = prefix
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when Redis has another data set than before."""
        self._listeners.append(listener)

    async def identify(self, connection: Connection) -> None:
        """Read the id and the owner, over a connection to the shard that stores them.

        Sets them if there are none; data_set.lua must be loaded. Raises as `Connection.execute`.
        """
        key = f"{self.prefix}{keys.DATA_SET}"
        found, account = await connection.execute("HMGET", key, "id", "account")
        if found is None or (account is None and self._account):
            found, account = await self._claim(connection)
        self._set_identity(
            found.decode(errors="replace"), (account or b"").decode(errors="replace")
        )

    async def _claim(self, connection: Connection) -> list[bytes | None]:
        proposed = self.id or secrets.token_hex(ID_BYTES)
        tag = f"{self.prefix}{keys.ALL_SERVICES}"
        reply: list[bytes | None] = await connection.execute(
            "EVALSHA",
            DATA_SET.digest,
            1,
            tag,
            *by_name({"id": proposed, "account": self._account or None}),
        )
        return reply

    def _set_identity(self, found: str, account: str) -> None:
        self.problem = None
        if self._account and account != self._account:
            self.problem = (
                f"the data in Redis belongs to the account {account}, and this server's account is "
                f"{self._account}: change SYNCLINE_ACCOUNT_SID, --redis-url or --redis-prefix"
            )
        before, self.id = self.id, found
        if before not in (None, found):
            for listener in self._listeners:
                listener()


async def check_data_set(
    engine: Engine, settings: Settings, account_sid: str, secret_cipher: SecretCipher
) -> None:
    """Check the data set before the server listens. If Redis is away, each connect checks it later.

    Raises:
        SettingError: the data in Redis belongs to another account, or was encrypted under another
            master key.
    """
    data_set = DataSet(account_sid, settings.redis_prefix)
    try:
        address = await engine.address(engine.shard_of(keys.ALL_SERVICES))
        connection = await connect(address, settings.redis_timeout)
    except (OSError, LookupError, StorageError):
        return
    try:
        await connection.execute("SCRIPT", "LOAD", DATA_SET.source)
        await data_set.identify(connection)
        master = await connection.execute("GET", f"{settings.redis_prefix}{keys.MASTER}")
    except StorageError:
        return
    finally:
        connection.abort()
    if data_set.problem is not None:
        raise SettingError(data_set.problem)
    if master not in (None, secret_cipher.fingerprint.encode()):
        raise SettingError(
            "the API keys in Redis cannot be decrypted: all servers on one Redis need the same "
            "master key, in SYNCLINE_MASTER_KEY or in master.key of the data directory"
        )
