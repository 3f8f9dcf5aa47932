"""Services, API keys, parked webhooks, tokens and signatures."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from twilio.request_validator import RequestValidator

from support.api import unique
from support.back_end import begun, collect, now, open_service
from support.receiver import Answer, Receiver
from support.server import RunningServer, StartSharedServer
from syncline import (
    AsyncService,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Service,
    UsageError,
    connect,
)

ACCOUNT = f"AC{'1' * 32}"
KEY = f"SK{'2' * 32}"
ALLOWED = "--webhook-networks=127.0.0.0/8"


async def test_services_are_made_changed_listed_and_removed(kind: str, service: Any) -> None:
    services = service.services
    made = await now(services.create(friendly_name="shop", acl_enabled=True))
    assert (made.friendly_name, made.acl_enabled, made.webhook_url) == ("shop", True, None)

    url = "https://example.com/hook"
    changed = await now(services.update(made.sid, webhook_url=url, friendly_name=None))
    assert (changed.webhook_url, changed.friendly_name, changed.acl_enabled) == (url, None, True)
    assert await now(services.get(made.sid)) == await now(services[made.sid]) == changed
    assert made.sid in [each.sid for each in await collect(services)]
    assert (await now(services.get("default"))).unique_name == "default"
    with pytest.raises(InvalidRequest):
        await now(services.update(made.sid, aclenabled=True))
    with pytest.raises(Conflict):
        await now(services.create(sid=made.sid))
    await now(services.remove(made.sid))
    assert not await now(services.has(made.sid))
    with pytest.raises(Forbidden):
        await now(services.remove("default"))


async def test_another_service_has_objects_of_its_own(service: Any) -> None:
    other = await now(service.services.create())
    await now(service.documents.create("d"))

    there = service.for_service(other.sid)
    assert not await now(there.documents.has("d"))
    assert there.service == other.sid
    await now(service.services.remove(other.sid))


async def test_a_key_logs_in_and_signs_until_it_is_removed(
    kind: str, server: RunningServer
) -> None:
    async with begun(open_service(kind, server)) as owner:
        made = await now(owner.keys.create("of a worker"))
        assert await now(owner.keys.has(made.sid))
        shown = await now(owner.keys.get(made.sid))
        assert (shown.friendly_name, shown.secret, shown.configured) == ("of a worker", None, False)
        assert made.sid in [each.sid for each in await collect(owner.keys)]

        account = owner._pool.login.account_sid
        logins = (
            type(owner)(server.url, made.sid, made.secret),
            type(owner)(server.url, account, made.secret, key_sid=made.sid),
        )
        for each in logins:
            async with begun(each) as worker:
                name = unique()
                await now(worker.documents.create(name))
                with pytest.raises(Forbidden):
                    await collect(worker.keys)
        token = logins[1].mint_token("alice", ttl=60)
        async with connect(server.url, token=token) as client:
            assert (await client.document(name)).sid
        with pytest.raises(UsageError, match="account_sid"):
            logins[0].mint_token("alice")
        with pytest.raises(UsageError, match="auth_token"):
            logins[1].verify_webhook("https://example.com/", {}, "x")
        await now(owner.keys.remove(made.sid))
        with pytest.raises(NotFound):
            await now(owner.keys.remove(made.sid))


async def test_a_token_is_for_its_service_and_identity(service: Any, server: RunningServer) -> None:
    token = service.mint_token("ålice", ttl=60)
    async with connect(server.url, token=token) as client:
        document = await client.document("of ålice")
        assert document.created_by == "ålice"
    assert (await now(service.documents.get("of ålice"))).created_by == "ålice"

    key_sid, secret = next(iter(server.credentials.api_keys.items()))
    claims = jwt.decode(token, secret, algorithms=["HS256"])
    assert claims["iss"] == key_sid
    assert claims["sub"] == server.credentials.account_sid
    assert claims["exp"] - claims["nbf"] == 60
    sync = {"service_sid": service.service}
    assert claims["grants"] == {"identity": "ålice", "data_sync": sync}
    assert jwt.get_unverified_header(token)["cty"] == "twilio-fpa;v=1"
    elsewhere = jwt.decode(service.mint_token("a", service="default"), secret, algorithms=["HS256"])
    assert elsewhere["grants"]["data_sync"] == {"service_sid": "default"}


@pytest.mark.parametrize("identity", ["", "x" * 257, "system", "Ｓystem", None, 5, "\ud800"])
def test_an_identity_that_no_token_may_have_is_refused(identity: Any) -> None:
    service = Service("http://localhost", ACCOUNT, "a", key_sid=KEY, key_secret="k")
    with pytest.raises(ValueError):
        service.mint_token(identity)


@pytest.mark.parametrize("ttl", [0, -1, 86_401, 1.5, True, "60"])
def test_a_token_lives_from_a_second_to_a_day(ttl: Any) -> None:
    service = Service("http://localhost", ACCOUNT, "a", key_sid=KEY, key_secret="k")
    with pytest.raises(ValueError, match="86400"):
        service.mint_token("alice", ttl=ttl)
    assert service.mint_token("alice", ttl=86_400)


def test_without_a_key_there_is_no_token() -> None:
    with pytest.raises(UsageError, match="key_sid"):
        Service("http://localhost", ACCOUNT, "secret").mint_token("alice")


async def test_a_webhook_that_was_really_sent_is_verified(
    kind: str, shared_server: StartSharedServer
) -> None:
    server = shared_server(ALLOWED)
    token = server.credentials.auth_token
    async with Receiver(token) as receiver, begun(open_service(kind, server)) as account:
        made = await now(
            account.services.create(webhook_url=receiver.url, webhooks_from_rest_enabled=True)
        )
        service = account.for_service(made.sid)
        await now(service.documents.create("ü & é", {"text": "a=b&c ☃"}))
        [sent] = await receiver.until_taken(1)
        signature = sent.headers["x-twilio-signature"]

        form = dict(sent.form)
        forms: list[Any] = [form, urlencode(form), urlencode(form).encode()]
        forms.append({name: [value] for name, value in form.items()})
        for params in forms:
            assert service.verify_webhook(receiver.url, params, signature)
        assert RequestValidator(token).validate(receiver.url, form, signature)
        wrong: list[tuple[Any, ...]] = [
            (receiver.url + "x", form, signature),
            (receiver.url, form | {"Identity": "bob"}, signature),
            (receiver.url, {**form, "More": "1"}, signature),
            (receiver.url, form, signature.swapcase()),
            (receiver.url, form, None),
            (receiver.url, form, "é\udcff"),
            (receiver.url, {"a": ["1", "2"]}, signature),
            (receiver.url, b"\xff", signature),
            (receiver.url, urlencode(form) + "&EventType=x", signature),
        ]
        assert not any(service.verify_webhook(*each) for each in wrong)
        await now(account.services.remove(made.sid))


async def test_parked_webhooks_are_listed_replayed_and_removed(
    kind: str, shared_server: StartSharedServer
) -> None:
    server = shared_server(ALLOWED)
    async with (
        Receiver(server.credentials.auth_token) as receiver,
        begun(open_service(kind, server)) as account,
    ):
        receiver.answer = lambda delivery: Answer(410)
        made = await now(
            account.services.create(webhook_url=receiver.url, webhooks_from_rest_enabled=True)
        )
        service = account.for_service(made.sid)
        for number in range(2):
            await now(service.documents.create(f"d{number}"))
        found: list[Any] = []
        while len(found) < 2:
            await asyncio.sleep(0.01)  # the receiver answers meanwhile
            found = await collect(service.parked_webhooks)
        first, second = found
        assert (first.event_type, first.status) == ("document_created", 410)
        assert first.parameters["DocumentUniqueName"] in ("d0", "d1")
        assert await now(service.parked_webhooks.get(first.id)) == first
        await now(service.parked_webhooks.remove(second.id))
        assert not await now(service.parked_webhooks.has(second.id))
        receiver.answer = lambda delivery: Answer(200)
        await now(service.parked_webhooks.replay(first.id))
        [sent] = await receiver.until_taken(1)
        assert sent.form == first.parameters
        await now(account.services.remove(made.sid))


@pytest.mark.parametrize("kind", [Service, AsyncService])
def test_arguments_are_checked_at_once(kind: type[Service]) -> None:
    for arguments in (
        ("ftp://x", ACCOUNT, "s"),
        ("http://user:pw@x", ACCOUNT, "s"),
        ("http://x", "alice", "s"),
        ("http://x", "AC123", "s"),
        ("http://x", ACCOUNT, ""),
        ("http://x", ACCOUNT, None),
    ):
        with pytest.raises(ValueError):
            kind(*arguments)
    for options in (
        {"key_sid": "SK1"},
        {"key_secret": "k"},
        {"timeout": 0},
        {"retries": -1},
        {"retries": 1.5},
        {"max_connections": 0},
        {"proxy": "x"},
    ):
        with pytest.raises(ValueError):
            kind("http://x", ACCOUNT, "s", **options)
    with pytest.raises(TypeError):
        kind("http://x", ACCOUNT, "s", time_out=1)  # type: ignore[call-arg]


async def test_a_service_is_made_from_the_environment(kind: str, server: RunningServer) -> None:
    made = type(open_service(kind, server))
    environ = {"SYNCLINE_URL": server.url, **server.account_environ}
    async with begun(made.from_environment(environ=environ, timeout=9)) as service:
        assert (service.service, service.options.timeout) == ("default", 9)
        await now(service.documents.create(unique()))
        assert service.mint_token("alice")
        assert not service.verify_webhook("https://x", {}, "")
    by_key = {name: each for name, each in environ.items() if name != "SYNCLINE_AUTH_TOKEN"}
    async with begun(made.from_environment(environ=by_key, service="default")) as service:
        await now(service.documents.create(unique()))
        assert service.mint_token("alice")
    assert made.from_environment(environ={**environ, "SYNCLINE_SERVICE": "x"}).service == "x"
    for missing in ("SYNCLINE_URL", "SYNCLINE_API_KEY_SECRET"):
        with pytest.raises(UsageError, match="SYNCLINE_"):
            made.from_environment(environ={k: v for k, v in by_key.items() if k != missing})
