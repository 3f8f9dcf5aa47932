"""The attempts for one service, by a lease that ends when the test says so."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from support.store import WAIT_LIMIT
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.webhooks.context import DeliveryContext
from syncline_server.webhooks.delivery import Delivery
from syncline_server.webhooks.outcome import Outcome


async def test_a_lease_that_ends_while_the_url_is_read_begins_no_attempt() -> None:
    loop = asyncio.get_running_loop()
    happened: list[str] = []

    async def find(_: str) -> Any:
        happened.append("read")
        if len(happened) == 1:
            delivery.lease_ends_at = 0.0
            loop.call_soon(renew)
        return SimpleNamespace(webhook_url="http://receiver.test/")

    def renew() -> None:
        happened.append("renewed")
        delivery.lease_ends_at = loop.time() + 3600

    async def send(*_: Any) -> Outcome:
        happened.append("sent")
        return Outcome(200, "")

    async def remove_event(*_: Any) -> None:
        pass

    context = SimpleNamespace(
        settings=Settings(),
        meters=Meters(),
        services=SimpleNamespace(find=find),
        queue=SimpleNamespace(now_ms=lambda: 0, remove_event=remove_event),
        send=send,
    )
    delivery = Delivery("IS" + "0" * 32, cast(DeliveryContext, context), loop.time() + 3600)
    event = cast(Any, SimpleNamespace(at_ms=0))
    await asyncio.wait_for(delivery.deliver(event), WAIT_LIMIT)
    assert happened == ["read", "renewed", "read", "sent"]
