from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event

import pytest

from support.provider import CONFIGURATION, JWKS, Answer, OpenIdProvider, SigningKey
from support.store import WAIT_LIMIT, eventually
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.oidc.key_cache import KeyCache
from syncline_server.auth.oidc.keys import Keys, PublicKey
from syncline_server.auth.oidc.provider import Provider
from syncline_server.observability.metrics import Limit

LONG = 600.0
"""Seconds: longer than any test."""


class Cache:
    """What is tested, on the provider of a test.

    Attributes:
        limit_hits: the limits that were hit.
        found: what the last question that was answered gave.
    """

    def __init__(self, provider: OpenIdProvider, **times: float) -> None:
        self.limit_hits: Counter[Limit] = Counter()
        self.found: PublicKey | None = None
        source = Provider(provider.issuer, None, 5.0, self.limit_hits)
        age, grace, interval = (times.get(name, LONG) for name in ("age", "grace", "interval"))
        self.cache = KeyCache(source, self.limit_hits, age=age, grace=grace, interval=interval)

    async def has(self, kid: str) -> bool:
        """Whether there is such a key."""
        return await self.cache.find(kid, "ES256") is not None

    async def must_retry(self, kid: str) -> bool:
        """Whether that cannot be decided now."""
        try:
            self.found = await self.cache.find(kid, "ES256")
        except Refusal as refusal:
            assert refusal.code is Code.UNAVAILABLE
            return True
        return False

    async def refuses(self, kid: str) -> bool:
        """Whether it gives no such key, permanently or for now."""
        return await self.must_retry(kid) or self.found is None

    async def knows_whether(self, kid: str) -> None:
        """Return when that can be decided."""
        async with asyncio.timeout(WAIT_LIMIT):
            while await self.must_retry(kid):
                await asyncio.sleep(0.01)


async def renewed(provider: OpenIdProvider) -> None:
    """Return when what the provider publishes now is in the cache.

    Its next answer may be under way already, and is taken at the latest when another is asked for.
    """
    await provider.asked(JWKS, provider.requests[JWKS] + 3)


@asynccontextmanager
async def caching(provider: OpenIdProvider, **times: float) -> AsyncIterator[Cache]:
    cache = Cache(provider, **times)
    cache.cache.start()
    try:
        yield cache
    finally:
        await cache.cache.stop()


async def test_keys_are_fetched_once_and_asked_for_often(provider: OpenIdProvider) -> None:
    async with caching(provider) as cache:
        for _ in range(100):
            assert await cache.has("first")
        assert await cache.cache.find("first", "ES256") is not None
    assert provider.requests == {CONFIGURATION: 1, JWKS: 1}


async def test_who_comes_before_the_first_keys_waits_for_them(provider: OpenIdProvider) -> None:
    gate = Event()
    provider.answers[CONFIGURATION] = Answer(
        body=b'{"issuer":"%s","jwks_uri":"%s"}'
        % (provider.issuer.encode(), f"{provider.issuer}{JWKS}".encode()),
        gate=gate,
    )
    async with caching(provider) as cache:
        finding = [asyncio.create_task(cache.has("first")) for _ in range(50)]
        await provider.asked(CONFIGURATION, 1)
        assert not any(task.done() for task in finding)
        gate.set()
        assert all(await asyncio.gather(*finding))
    assert provider.requests == {CONFIGURATION: 1, JWKS: 1}


async def test_a_key_for_another_algorithm_is_another_key(provider: OpenIdProvider) -> None:
    async with caching(provider) as cache:
        assert await cache.cache.find("first", "RS256") is None


async def test_a_key_that_is_not_known_is_looked_for_once(provider: OpenIdProvider) -> None:
    async with caching(provider) as cache:
        assert await cache.has("first")
        provider.rotate("second")
        answers = await asyncio.gather(*(cache.has("second") for _ in range(50)))
        assert all(answers)
    assert provider.requests[JWKS] == 2


async def test_a_key_that_nobody_knows_is_refused_on_the_word_of_the_provider(
    provider: OpenIdProvider,
) -> None:
    async with caching(provider) as cache:
        assert await cache.has("first")
        assert not await cache.has("unknown")
    assert provider.requests[JWKS] == 2


async def test_within_the_interval_nothing_is_refused_permanently(provider: OpenIdProvider) -> None:
    async with caching(provider) as cache:
        assert not await cache.has("unknown")
        provider.keys.append(SigningKey.make("second"))
        for _ in range(20):
            assert await cache.must_retry("second")
        assert await cache.has("first"), "what is known goes on to work"
        assert cache.limit_hits[Limit.OIDC_REFETCH_INTERVAL] == 20
    assert provider.requests[JWKS] == 2


async def test_after_the_interval_it_is_looked_for_again(provider: OpenIdProvider) -> None:
    async with caching(provider, interval=0.1) as cache:
        assert not await cache.has("unknown")
        provider.keys.append(SigningKey.make("second"))
        await cache.knows_whether("second")
        assert await cache.has("second")


async def test_keys_that_are_withdrawn_go_when_they_have_aged(provider: OpenIdProvider) -> None:
    async with caching(provider, age=0.1, interval=0.1) as cache:
        assert await cache.has("first")
        provider.rotate("second")
        await renewed(provider)
        assert await cache.has("second")
        assert await cache.refuses("first")


async def test_an_empty_set_withdraws_all(provider: OpenIdProvider) -> None:
    async with caching(provider, age=0.1) as cache:
        assert await cache.has("first")
        provider.keys = []
        await renewed(provider)
        assert not await cache.has("first")


async def test_while_the_provider_is_away_old_keys_are_used(
    provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with caching(provider, age=0.1, interval=0.1) as cache:
            assert await cache.has("first")
            provider.fail()
            asked = provider.requests[CONFIGURATION]
            await provider.asked(CONFIGURATION, asked + 4)
            assert await cache.has("first")
            # It is not known whether there is such a key, so it is not refused permanently.
            assert await cache.must_retry("second")
            provider.recover()
            provider.rotate("second")
            asked = provider.requests[JWKS]
            await provider.asked(JWKS, asked + 2)
            assert await cache.has("second")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    [warning] = warnings
    assert warning.getMessage() == (
        f"no keys of the identity provider: {provider.issuer}{CONFIGURATION} answered 503"
    )


async def test_they_are_used_for_no_longer_than_that(provider: OpenIdProvider) -> None:
    async with caching(provider, age=0.1, grace=0.3, interval=0.1) as cache:
        await cache.knows_whether("first")
        provider.fail()
        async with asyncio.timeout(WAIT_LIMIT):
            while not await cache.must_retry("first"):
                await asyncio.sleep(0.01)
        assert cache.limit_hits[Limit.OIDC_KEY_GRACE] >= 1
        provider.recover()
        await cache.knows_whether("first")


async def test_a_provider_that_was_never_there(provider: OpenIdProvider) -> None:
    provider.fail(500)
    async with caching(provider, interval=0.2) as cache:
        assert await cache.must_retry("first")
        await provider.asked(CONFIGURATION, 3)
        provider.recover()
        await cache.knows_whether("first")
        assert await cache.has("first")


async def test_failures_are_followed_by_pauses(provider: OpenIdProvider) -> None:
    provider.fail(500)
    async with caching(provider) as cache:
        for _ in range(200):
            assert await cache.must_retry("unknown")
        assert provider.requests[CONFIGURATION] <= 3


class Breaks:
    """A source with a defect."""

    def __init__(self) -> None:
        self.asked = 0

    async def keys(self) -> Keys:
        self.asked += 1
        raise ZeroDivisionError

    async def close(self) -> None:
        pass


async def test_a_defect_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    source = Breaks()
    cache = KeyCache(source, Counter(), age=LONG, grace=LONG, interval=0.1)
    cache.start()
    with pytest.raises(Refusal) as caught:
        await cache.find("first", "ES256")
    assert caught.value.code is Code.UNAVAILABLE
    await eventually(lambda: source.asked > 2)
    await cache.stop()
    assert "ZeroDivisionError" in caplog.text


async def test_it_stops_while_it_asks(provider: OpenIdProvider) -> None:
    gate = Event()
    provider.answers[CONFIGURATION] = Answer(gate=gate)
    async with caching(provider) as cache:
        await provider.asked(CONFIGURATION, 1)
        finding = asyncio.create_task(cache.has("first"))
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await finding
    gate.set()


async def test_keys_that_were_asked_for_earlier_are_not_the_last_word(
    provider: OpenIdProvider,
) -> None:
    gate = Event()
    provider.answers[JWKS] = Answer(body=b'{"keys":[]}', gate=gate)
    async with caching(provider) as cache:
        await provider.asked(JWKS, 1)
        provider.recover()
        finding = asyncio.create_task(cache.has("first"))
        await asyncio.sleep(0)
        gate.set()
        assert await finding
    assert provider.requests[JWKS] == 2


async def test_who_gives_up_does_not_end_the_look_of_others(provider: OpenIdProvider) -> None:
    async with caching(provider) as cache:
        assert await cache.has("first")
        gate = Event()
        key = provider.rotate("second")
        body = b'{"keys":[%s]}' % repr(key.jwk).replace("'", '"').encode()
        provider.answers[JWKS] = Answer(body=body, gate=gate)
        one, other = (asyncio.create_task(cache.has("second")) for _ in range(2))
        await provider.asked(JWKS, 2)
        one.cancel()
        gate.set()
        assert await other
