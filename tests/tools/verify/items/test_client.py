"""A writer of items: what it puts into the history."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest

from syncline_tools.verify.history import History
from syncline_tools.verify.items.client import ItemWriter
from syncline_tools.verify.items.collection import MAP, Collection
from syncline_tools.verify.items.operation import Operation, Reply

MAP_1 = Collection(sid="MP1", service_sid="IS1", type=MAP)


class AnsweringSender:
    """Answers each write, after attempts that were refused for the moment, or at once."""

    can_batch = True
    connection = 7

    def __init__(self, is_resent: bool) -> None:
        self._is_resent = is_resent

    async def send(
        self,
        op: str,
        collection: Collection,
        operations: list[Operation],
        receive: Callable[[Reply], None],
    ) -> None:
        """As of `Sender`."""
        receive(Reply(keys=("k",), revisions=(1,), is_resent=self._is_resent))

    async def close(self) -> None:
        """As of `Sender`."""


@pytest.mark.parametrize(("is_resent", "connection"), [(False, 7), (True, None)])
async def test_a_reply_is_compared_with_its_event_unless_the_write_was_sent_again(
    is_resent: bool, connection: int | None
) -> None:
    writer = ItemWriter("items-1", AnsweringSender(is_resent), History(BytesIO()))
    answer = await writer.write(1, "op", MAP_1, [Operation(do="put", key="k", data={})])

    assert answer.connection == connection
