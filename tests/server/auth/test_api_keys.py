"""API keys in Redis, as several processes see them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.store import Store, eventually, refused
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth import api_keys as storage_api_keys
from syncline_server.auth.api_keys import ApiKeys
from syncline_server.auth.keyring import Keyring
from syncline_server.config.encryption import SecretCipher, make_master_key
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.observability.metrics import Limit
from syncline_server.storage import data_set_poll, keys
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.data_set import check_data_set
from syncline_server.storage.redis.engine import ExternalRedis

LIMIT = 100
CONFIGURED = f"SK{'c' * 32}"
MASTER_KEY = make_master_key()
ALL = (keys.API_KEYS, keys.REVOKED, keys.API_KEY_VERSION, keys.MASTER)


class Process:
    """What one process has: its keys, and those whose end it was notified of."""

    def __init__(self, redis: Redis, master_key: str = MASTER_KEY) -> None:
        self.limit_hits = Counter[Limit]()
        self.known = Keyring({CONFIGURED: "configured"})
        self.keys = ApiKeys(redis, SecretCipher(master_key), self.known, self.limit_hits)
        self.ended: list[str] = []
        self.known.on_end(self.ended.append)


@pytest.fixture(autouse=True)
async def without_others(store: Store) -> AsyncIterator[None]:
    """Keys are the whole store's, so each test begins and ends without any."""
    async with store.connected() as connection:
        await connection.execute("DEL", *ALL)
    yield
    async with store.connected() as connection:
        await connection.execute("DEL", *ALL)


@pytest.fixture
def here(redis: Redis) -> Process:
    return Process(redis)


@pytest.fixture
async def elsewhere(store: Store) -> AsyncIterator[Process]:
    redis = Redis(store.engine, 2.0)
    await redis.start()
    yield Process(redis)
    await redis.stop()


async def listed(process: Process, size: int = 50) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while True:
        page = await process.keys.page(size, token)
        assert len(page.items) <= size
        found += [record.sid for record in page.items]
        if page.next is None:
            return found
        token = page.next


async def stored(admin: Connection, sid: str) -> dict[str, Any]:
    record: dict[str, Any] = orjson.loads(await admin.execute("HGET", keys.API_KEYS, sid))
    return record


@pytest.mark.parametrize("login_only", [False, True])
async def test_a_secret_has_letters_and_digits_only(here: Process, login_only: bool) -> None:
    for _ in range(8):
        _, secret = await here.keys.create(None, login_only, LIMIT)
        assert len(secret) >= 43 and secret.isascii() and secret.isalnum()


async def test_a_new_key_is_known_here_at_once_and_elsewhere_after_a_look(
    here: Process, elsewhere: Process
) -> None:
    record, secret = await here.keys.create("CI", False, LIMIT)
    assert here.known.signing_secret(record.sid) == secret
    assert not elsewhere.known.has(record.sid)
    await elsewhere.keys.refresh()
    assert elsewhere.known.signing_secret(record.sid) == secret
    assert elsewhere.known.proves(record.sid, secret)
    assert await elsewhere.keys.find(record.sid) == record
    assert (record.friendly_name, record.login_only, record.configured) == ("CI", False, False)


async def test_what_redis_holds_of_a_key_that_signs_is_encrypted_and_bound_to_its_sid(
    here: Process, elsewhere: Process, admin: Connection
) -> None:
    record, secret = await here.keys.create(None, False, LIMIT)
    in_redis = await stored(admin, record.sid)
    assert secret not in str(in_redis)
    assert in_redis["digest"] is None
    moved = f"SK{'d' * 32}"
    await admin.execute("HSET", keys.API_KEYS, moved, orjson.dumps({**in_redis, "sid": moved}))
    await elsewhere.keys.refresh()
    assert elsewhere.known.signing_secret(record.sid) == secret
    assert not elsewhere.known.is_complete
    with pytest.raises(Refusal) as caught:
        elsewhere.known.proves(moved, secret)
    assert caught.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"sid":5}', b'{"x":1}', b'{"digest":"x"}'])
async def test_a_broken_record_is_reported_and_spoils_no_other(
    here: Process, admin: Connection, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    sid = f"SK{'d' * 32}"
    await admin.execute("HSET", keys.API_KEYS, sid, broken)
    record, secret = await here.keys.create(None, False, LIMIT)
    assert here.known.signing_secret(record.sid) == secret
    assert not here.known.is_complete
    assert f"API key {sid} cannot be used here" in caplog.text
    await here.keys.revoke(sid)
    assert here.known.is_complete


async def test_a_key_for_logins_only_is_kept_as_a_hash_and_signs_nothing(
    here: Process, elsewhere: Process, admin: Connection
) -> None:
    record, secret = await here.keys.create(None, True, LIMIT)
    in_redis = await stored(admin, record.sid)
    assert secret not in str(in_redis)
    assert in_redis["sealed"] is None
    await elsewhere.keys.refresh()
    assert elsewhere.known.proves(record.sid, secret)
    with pytest.raises(Refusal, match="logins only"):
        elsewhere.known.signing_secret(record.sid)


async def test_a_revoked_key_ends_everywhere_and_is_forgotten_but_for_its_sid(
    here: Process, elsewhere: Process, admin: Connection
) -> None:
    record, secret = await here.keys.create(None, False, LIMIT)
    await elsewhere.keys.refresh()
    await here.keys.revoke(record.sid)
    await elsewhere.keys.refresh()
    for process in (here, elsewhere):
        assert process.ended == [record.sid]
        assert not process.known.proves(record.sid, secret)
        assert process.known.is_revoked(record.sid)
        await refused(process.keys.find(record.sid), Code.NOT_FOUND)
        await refused(process.keys.revoke(record.sid), Code.NOT_FOUND)
    assert await admin.execute("HGET", keys.API_KEYS, record.sid) is None


async def test_a_key_of_the_configuration_can_be_revoked_too(
    here: Process, elsewhere: Process
) -> None:
    assert await listed(here) == [CONFIGURED]
    await here.keys.revoke(CONFIGURED)
    await elsewhere.keys.refresh()
    for process in (here, elsewhere):
        assert process.ended == [CONFIGURED]
        assert await listed(process) == []
        await refused(process.keys.revoke(CONFIGURED), Code.NOT_FOUND)


async def test_what_nobody_knows_cannot_be_revoked(here: Process, admin: Connection) -> None:
    for sid in (f"SK{'9' * 32}", "é", ""):
        await refused(here.keys.revoke(sid), Code.NOT_FOUND)
    assert await admin.execute("EXISTS", keys.REVOKED) == 0


async def test_pages_go_through_all_in_the_order_of_sids(here: Process) -> None:
    made = [(await here.keys.create(None, n % 2 == 0, LIMIT))[0].sid for n in range(5)]
    everything = sorted([*made, CONFIGURED])
    for size in (1, 2, 3, 6, 50):
        assert await listed(here, size) == everything
    second = await here.keys.page(2, (await here.keys.page(2, None)).next)
    first = await here.keys.page(2, second.previous)
    assert [record.sid for record in first.items] == everything[:2]
    await refused(here.keys.page(2, "nonsense"), Code.INVALID_PAGE_TOKEN)


async def test_there_are_no_more_than_the_limit(here: Process) -> None:
    first, _ = await here.keys.create(None, False, 2)
    await here.keys.create(None, True, 2)
    refusal = await refused(here.keys.create(None, False, 2), Code.CONFLICT)
    assert "2 API keys" in refusal.message
    assert here.limit_hits[Limit.MAX_KEYS] == 1
    await here.keys.revoke(first.sid)
    await here.keys.create(None, False, 2)


async def test_the_oldest_revoked_keys_are_forgotten(
    here: Process, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_api_keys, "REVOKED_LIMIT", 3)
    made = [(await here.keys.create(None, True, LIMIT))[0].sid for _ in range(5)]
    for sid in made:
        await here.keys.revoke(sid)
        await until_next_millisecond(admin)  # keys that are revoked in the same one are as old
    remembered = await admin.execute("ZRANGE", keys.REVOKED, 0, -1)
    assert [sid.decode() for sid in remembered] == made[2:]


async def until_next_millisecond(admin: Connection) -> None:
    async def now_ms() -> int:
        seconds, microseconds = await admin.execute("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    began = await now_ms()
    while await now_ms() == began:
        pass


class TestMasterKey:
    async def test_secrets_of_another_one_are_of_no_use_and_that_is_reported(
        self, here: Process, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        record, secret = await here.keys.create(None, False, LIMIT)
        login, password = await here.keys.create(None, True, LIMIT)
        other = Process(redis, make_master_key())
        await other.keys.refresh()
        with pytest.raises(Refusal) as caught:
            other.known.signing_secret(record.sid)
        assert caught.value.code is Code.UNAVAILABLE
        assert other.known.proves(login.sid, password)
        assert "SYNCLINE_MASTER_KEY" in caplog.text and secret not in caplog.text

    async def test_keys_of_two_master_keys_do_not_mix(self, here: Process, redis: Redis) -> None:
        record, _ = await here.keys.create(None, False, LIMIT)
        other = Process(redis, make_master_key())
        await refused(other.keys.create(None, False, LIMIT), Code.CONFLICT)
        await other.keys.create(None, True, LIMIT)
        # It may revoke what it cannot read, and begins again once nothing is left.
        for sid in await listed(other):
            await other.keys.revoke(sid)
        await other.keys.create(None, False, LIMIT)
        await refused(here.keys.create(None, False, LIMIT), Code.CONFLICT)

    async def test_a_server_with_another_one_does_not_start(
        self, here: Process, store: Store
    ) -> None:
        ciphers = SecretCipher(MASTER_KEY), SecretCipher(make_master_key())
        for secret_cipher in ciphers:
            await check_data_set(store.engine, Settings(), "", secret_cipher)
        await here.keys.create(None, False, LIMIT)
        await check_data_set(store.engine, Settings(), "", ciphers[0])
        with pytest.raises(SettingError, match="master key") as caught:
            await check_data_set(store.engine, Settings(), "", ciphers[1])
        assert "\n" not in str(caught.value)

    async def test_a_redis_that_is_away_does_not_keep_it_from_starting(
        self, tmp_path: Path
    ) -> None:
        engine = ExternalRedis(Address(path=str(tmp_path / "none.sock")))
        await check_data_set(engine, Settings(), "", SecretCipher(MASTER_KEY))


class TestLookingAfterThem:
    async def test_once_started_they_follow_by_themselves(
        self, here: Process, elsewhere: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
        record, secret = await elsewhere.keys.create(None, False, LIMIT)
        await here.keys.start()
        assert here.known.signing_secret(record.sid) == secret  # read before anything is served
        await elsewhere.keys.revoke(record.sid)
        await eventually(lambda: here.ended == [record.sid])
        await here.keys.stop()

    async def test_what_was_missed_while_redis_was_away_is_made_up_for(
        self,
        store: Store,
        here: Process,
        elsewhere: Process,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
        record, secret = await here.keys.create(None, False, LIMIT)
        await here.keys.start()
        await elsewhere.keys.refresh()
        await store.cut("normal")
        await eventually(lambda: elsewhere.keys._redis.connected)
        assert here.known.signing_secret(record.sid) == secret
        added, _ = await elsewhere.keys.create(None, False, LIMIT)
        await elsewhere.keys.revoke(record.sid)
        await eventually(lambda: here.ended == [record.sid] and here.known.has(added.sid))
        await here.keys.stop()

    async def test_without_redis_they_start_and_report_nothing_by_guess(
        self, unused_redis: Redis
    ) -> None:
        process = Process(unused_redis)
        await process.keys.start()
        try:
            with pytest.raises(Refusal) as caught:
                process.known.signing_secret(f"SK{'9' * 32}")
            assert caught.value.code is Code.UNAVAILABLE
            assert process.known.signing_secret(CONFIGURED) == "configured"
        finally:
            await process.keys.stop()


@pytest.fixture
async def unused_redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A connection to where nothing listens."""
    redis = Redis(ExternalRedis(Address(path=str(tmp_path / "none.sock"))), 0.2)
    await redis.start()
    yield redis
    await redis.stop()


async def test_many_changes_at_once_are_all_seen(here: Process, elsewhere: Process) -> None:
    made = await asyncio.gather(
        *(each.keys.create(None, True, LIMIT) for each in (here, elsewhere) for _ in range(10))
    )
    sids = sorted([CONFIGURED, *(record.sid for record, _ in made)])
    assert await listed(here) == await listed(elsewhere) == sids
