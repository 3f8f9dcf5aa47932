from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Event

import pytest

from support.certificates import CertificateAuthority, Identity
from support.provider import CONFIGURATION, JWKS, Answer, OpenIdProvider, SigningKey
from syncline_server.auth.oidc.provider import BODY_LIMIT, Provider, Unusable
from syncline_server.observability.metrics import Limit


@asynccontextmanager
async def asked(
    issuer: str, jwks_url: str | None = None, timeout: float = 5.0
) -> AsyncIterator[Provider]:
    """The side that asks."""
    provider = Provider(issuer, jwks_url, timeout, Counter())
    try:
        yield provider
    finally:
        await provider.close()


async def failure(provider: OpenIdProvider, jwks_url: str | None = None) -> str:
    """Why there are no keys."""
    async with asked(provider.issuer, jwks_url) as asking:
        with pytest.raises(Unusable) as caught:
            await asking.keys()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_keys_are_where_the_configuration_says(provider: OpenIdProvider) -> None:
    async with asked(provider.issuer) as asking:
        assert (await asking.keys()).keys() == {("first", "ES256")}
        provider.keys = [SigningKey.make("second")]
        assert (await asking.keys()).keys() == {("second", "ES256")}
    assert provider.requests == {CONFIGURATION: 2, JWKS: 2}


async def test_keys_are_where_the_settings_say(provider: OpenIdProvider) -> None:
    async with asked("https://id.example.org", f"{provider.issuer}{JWKS}") as asking:
        assert (await asking.keys()).keys() == {("first", "ES256")}
    assert provider.requests == {JWKS: 1}


async def test_an_issuer_that_ends_with_a_slash_or_has_a_path(provider: OpenIdProvider) -> None:
    for end in ("/", "/realms/a", "/realms/a/"):
        issuer = f"{provider.issuer}{end}"
        found = {"issuer": issuer, "jwks_uri": f"{provider.issuer}{JWKS}"}
        path = f"{end.rstrip('/')}{CONFIGURATION}"
        provider.answers[path] = Answer(body=json.dumps(found).encode())
        async with asked(issuer) as asking:
            assert (await asking.keys()).keys() == {("first", "ES256")}


@pytest.mark.parametrize("end", ["/", "/other", "x"])
async def test_a_configuration_of_another_issuer(provider: OpenIdProvider, end: str) -> None:
    provider.configuration["issuer"] += end
    assert await failure(provider) == f"{provider.issuer}{CONFIGURATION} names another issuer"
    assert provider.requests[JWKS] == 0


@pytest.mark.parametrize(
    "url", [None, 5, "", "/keys", "http://id.example.org/keys", "file:///etc/passwd", ["a"]]
)
async def test_a_configuration_without_a_good_jwks_uri(
    provider: OpenIdProvider, url: object
) -> None:
    found = {"issuer": provider.issuer, "jwks_uri": url}
    provider.answers[CONFIGURATION] = Answer(body=json.dumps(found).encode())
    assert "no jwks_uri that begins with https://" in await failure(provider)


async def test_a_provider_elsewhere_leads_to_nothing_on_this_machine(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = "https://id.example.org"
    found = {"issuer": issuer, "jwks_uri": f"{provider.issuer}{JWKS}"}

    async def configuration(_: Provider, url: str) -> dict[str, str]:
        assert url == f"{issuer}{CONFIGURATION}"
        return found

    monkeypatch.setattr(Provider, "_get", configuration)
    async with asked(issuer) as asking:
        with pytest.raises(Unusable, match="on this machine"):
            await asking.keys()


BAD_ANSWERS: dict[str, tuple[Callable[[], Answer], str]] = {
    "an error": (lambda: Answer(500, b"{}"), "answered 500"),
    "not there": (lambda: Answer(404), "answered 404"),
    "no content": (lambda: Answer(204), "answered 204"),
    "a redirect": (lambda: Answer(302, headers={"Location": "/elsewhere"}), "answered 302"),
    "a lasting redirect": (lambda: Answer(308, headers={"Location": JWKS}), "answered 308"),
    "nothing": (Answer, "returns no JSON"),
    "garbage": (lambda: Answer(body=b"<html>"), "returns no JSON"),
    "no UTF-8": (lambda: Answer(body=b'{"keys":"\xff"}'), "returns no JSON"),
    "no object": (lambda: Answer(body=b"[]"), "returns no JSON object"),
    "deep": (lambda: Answer(body=b"[" * 100_000), "returns no JSON"),
    "huge": (
        lambda: Answer(body=b'{"keys":[]}' + b" " * BODY_LIMIT),
        f"returns more than {BODY_LIMIT} bytes",
    ),
    "packed": (
        lambda: Answer(body=gzip.compress(b'{"keys":[]}'), headers={"Content-Encoding": "gzip"}),
        "is compressed",
    ),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
@pytest.mark.parametrize("path", [CONFIGURATION, JWKS])
async def test_answers_that_give_no_keys(provider: OpenIdProvider, path: str, bad: str) -> None:
    answer, reason = BAD_ANSWERS[bad]
    provider.answers[path] = answer()
    assert await failure(provider) == f"{provider.issuer}{path} {reason}" + (
        ", although no compression was requested" if bad == "packed" else ""
    )
    assert set(provider.requests) <= {CONFIGURATION, JWKS}, "a redirect was followed"


async def test_an_answer_that_is_as_long_as_it_may_be(provider: OpenIdProvider) -> None:
    body = b'{"keys":[]}'
    provider.answers[JWKS] = Answer(body=body + b" " * (BODY_LIMIT - len(body)))
    async with asked(provider.issuer) as asking:
        assert await asking.keys() == {}


async def test_what_is_no_key_set(provider: OpenIdProvider) -> None:
    provider.answers[JWKS] = Answer(body=b"{}")
    assert "returns no key set: keys must be a list of at most 64" in await failure(provider)


async def test_an_answer_that_takes_too_long(provider: OpenIdProvider) -> None:
    gate = Event()
    provider.answers[JWKS] = Answer(gate=gate)
    limit_hits = Counter[Limit]()
    asking = Provider(provider.issuer, None, 0.2, limit_hits)
    try:
        with pytest.raises(Unusable, match=r"took more than 0.2 s"):
            await asking.keys()
    finally:
        gate.set()
        await asking.close()
    assert limit_hits == {Limit.OIDC_TIMEOUT: 1}


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


def of(identity: Identity) -> SSLContext:
    """What a provider with that certificate speaks TLS by."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@pytest.mark.parametrize(("days", "is_trusted"), [(1, True), (1, False), (-1, True)])
async def test_the_provider_has_a_certificate_that_is_trusted(
    authority: CertificateAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    is_trusted: bool,
) -> None:
    identity = authority.issue(tmp_path, life=timedelta(days=days))
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with OpenIdProvider(tls=of(identity)) as provider:
        if is_trusted and days > 0:
            async with asked(provider.issuer) as asking:
                assert await asking.keys()
        else:
            assert "certificate" in await failure(provider)
            assert provider.requests == {}


async def test_nobody_there() -> None:
    with OpenIdProvider() as gone:
        pass
    assert "cannot be fetched" in await failure(gone)


async def test_a_host_that_is_none() -> None:
    """Whatever the library raises for it."""
    for url in ("https://xn--a/", "https://a..b/", f"https://{'a' * 64}.invalid/"):
        async with asked(url, timeout=5) as asking:
            with pytest.raises(Unusable):
                await asking.keys()


async def test_no_proxy_of_the_environment_stands_before_this_machine(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with asked(provider.issuer) as asking:
        assert await asking.keys()


async def test_a_look_that_is_given_up_leaves_nothing(provider: OpenIdProvider) -> None:
    gate = Event()
    provider.answers[JWKS] = Answer(gate=gate)
    async with asked(provider.issuer) as asking:
        task = asyncio.create_task(asking.keys())
        await provider.asked(JWKS, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        provider.recover()
        assert await asking.keys()
