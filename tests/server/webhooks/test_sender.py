from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from support.certificates import CertificateAuthority
from support.receiver import Answer, Delivery, Receiver
from syncline_server.webhooks import ssrf_guard as guard
from syncline_server.webhooks.outcome import Outcome
from syncline_server.webhooks.sender import REPLY_LIMIT, RETRY_AFTER_LIMIT, Sender

FORM = {"EventType": "document_updated", "Identity": "älice & b=c"}
LONG = 20.0
"""Seconds that no attempt here takes."""


class Senders:
    """Makes senders, which are closed in the end."""

    def __init__(self) -> None:
        self.made: list[Sender] = []

    def __call__(self, timeout: float = LONG, allowed: str = "127.0.0.0/8") -> Sender:
        self.made.append(Sender(timeout, [ipaddress.ip_network(allowed)]))
        return self.made[-1]


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    senders = Senders()
    yield senders
    for sender in senders.made:
        await sender.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def send(senders: Senders, receiver: Receiver) -> Outcome:
    return await senders().send(receiver.url, FORM, {"X-Twilio-Signature": "s"})


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_a_delivery(senders: Senders, receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Answer(status)
    outcome = await send(senders, receiver)
    assert (outcome.is_delivered, outcome.is_final, outcome.reason) == (True, False, "")
    [delivery] = receiver.taken
    assert delivery.form == FORM
    assert delivery.target == "/hooks?from=test"
    assert delivery.headers["x-twilio-signature"] == "s"
    assert delivery.headers["content-type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
async def test_anything_else_is_none_and_no_redirect_is_followed(
    senders: Senders, receiver: Receiver, status: int
) -> None:
    receiver.answer = lambda _: Answer(status, {"Location": receiver.url})
    outcome = await send(senders, receiver)
    assert (outcome.status, outcome.is_delivered) == (status, False)
    assert outcome.is_final is (status == 410)
    assert str(status) in outcome.reason
    assert len(receiver.came) == 1


async def test_nobody_there_is_a_failure(senders: Senders, receiver: Receiver) -> None:
    await receiver.stop()
    outcome = await send(senders, receiver)
    assert (outcome.status, outcome.is_delivered) == (None, False)
    assert outcome.reason


async def test_a_broken_connection_is_a_failure(senders: Senders, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(None)
    outcome = await send(senders, receiver)
    assert (outcome.status, outcome.is_delivered) == (None, False)


async def test_an_answer_must_come_in_time(senders: Senders, receiver: Receiver) -> None:
    never = asyncio.Event()

    async def wait(_: Delivery) -> Answer:
        await never.wait()
        return Answer()

    receiver.answer = wait
    outcome = await senders(timeout=0.2).send(receiver.url, FORM, {})
    assert outcome.status is None
    assert "0.2 s" in outcome.reason
    never.set()


async def test_a_long_answer_is_not_read_to_its_end(senders: Senders) -> None:
    """It is sent without a pause and has no end."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n%b\r\n" % (b"x" * 4096))
                sent += 4096
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        outcome = await senders().send(f"http://127.0.0.1:{port}/", FORM, {})
    assert outcome.is_delivered
    # What the kernel holds may have been sent besides.
    assert REPLY_LIMIT < sent < 64 * 1024 * 1024


async def test_a_garbled_answer_is_a_failure(senders: Senders) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server:
        outcome = await senders().send(f"http://127.0.0.1:{port}/", FORM, {})
    assert (outcome.status, outcome.is_delivered) == (None, False)


async def test_loopback_is_refused_by_itself(senders: Senders, receiver: Receiver) -> None:
    outcome = await senders(allowed="10.0.0.0/8").send(receiver.url, FORM, {})
    assert outcome.status is None
    assert "must not reach" in outcome.reason
    assert receiver.came == []


async def test_a_redirect_to_where_it_may_go_is_not_followed_either(
    senders: Senders, receiver: Receiver
) -> None:
    async with Receiver() as other:
        receiver.answer = lambda _: Answer(307, {"Location": other.url})
        await send(senders, receiver)
        assert other.came == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("299", 299),
        ("86400", RETRY_AFTER_LIMIT),
        ("9" * 400, RETRY_AFTER_LIMIT),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
    ],
)
async def test_retry_after_counts_within_bounds(
    senders: Senders, receiver: Receiver, value: str, seconds: float
) -> None:
    receiver.answer = lambda _: Answer(503, {"Retry-After": value})
    assert (await send(senders, receiver)).retry_after == seconds


@pytest.mark.parametrize(
    ("ahead", "least", "most"),
    [(200, 100, 200), (-86_400, 0, 0), (40_000_000, RETRY_AFTER_LIMIT, RETRY_AFTER_LIMIT)],
)
async def test_so_it_does_as_a_date(
    senders: Senders, receiver: Receiver, ahead: float, least: float, most: float
) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    receiver.answer = lambda _: Answer(503, {"Retry-After": moment})
    assert least <= (await send(senders, receiver)).retry_after <= most


async def test_certificates_are_checked_against_the_name(
    senders: Senders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the connection is made to an address that was looked up before."""
    authority = CertificateAuthority(tmp_path)
    identity = authority.issue(tmp_path / "server")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(identity.certificate, identity.key)
    async with Receiver(tls=tls) as receiver:
        unknown = await senders().send(receiver.url, FORM, {})
        assert (unknown.status, unknown.is_delivered) == (None, False)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert (await senders().send(receiver.url, FORM, {})).is_delivered
        other = receiver.url.replace("localhost", "localhost.localdomain")
        monkeypatch.setattr(guard, "_resolve", lambda _: [ipaddress.ip_address("127.0.0.1")])
        misnamed = await senders().send(other, FORM, {})
        assert (misnamed.status, misnamed.is_delivered) == (None, False)
        assert len(receiver.taken) == len(receiver.came) == 1
