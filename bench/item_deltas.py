"""Measures what deltas of items save and cost: bytes on the wire, and CPU time of the server.

    python -m bench.item_deltas [--rounds 3]

As `bench.deltas`, for a map of 20 items of 8 KiB. An edit changes one field of one item, and is
written with `set`. Each item was written once before, because its first change is always whole.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from typing import Any

from bench.deltas import (
    CONNECTED_AT_ONCE,
    EVENTS,
    FORM,
    REPLY_TIMEOUT,
    Board,
    Room,
    Run,
    cpu_of,
    rows_of,
)
from bench.stalled import Server, serving

ITEM_SIZE = 8_192
ITEMS = 20


class Items:
    """A map of items and a random sequence of edits, the same in each run."""

    def __init__(self) -> None:
        self._numbers = random.Random(ITEM_SIZE)
        self.items = {f"item-{n:02}": self._item() for n in range(ITEMS)}

    def edit(self) -> tuple[str, dict[str, Any]]:
        """Change one field of an item; return its key and its data."""
        key = self._numbers.choice(list(self.items))
        card = self._numbers.choice(self.items[key]["cards"])
        card["votes"] += 1
        return key, self.items[key]

    def _item(self) -> dict[str, Any]:
        board = Board(ITEM_SIZE)
        self._numbers.shuffle(board.data["cards"])
        return board.data


class ItemRoom(Room):
    """Subscribers of one map, and a writer that does not subscribe."""

    async def open_map(self, count: int, name: str, items: dict[str, dict[str, Any]]) -> None:
        """Create the map, connect `count` subscribers, and write each item once."""
        self._writer = await self._enter(1, deltas=False)
        await self._all(self._writer, id=2, do="open", map=name)
        await self._all(self._writer, id=3, do="unsubscribe", map=name)
        for start in range(0, count, CONNECTED_AT_ONCE):
            entering = await self._enter(min(CONNECTED_AT_ONCE, count - start), self._deltas)
            option = {"deltas": True} if self._deltas else {}
            await self._all(entering, id=2, do="open", map=name, items=False, **option)
            self.readers += entering
        self._name = name
        # The first change of each item is whole in any case.
        for key, data in items.items():
            await self.write_item(key, data)
        for reader in self.readers:
            reader.size = 0

    async def write_item(self, key: str, data: dict[str, Any]) -> None:
        """Write an item; return when all subscribers have the event."""
        request = {"id": 4, "do": "set", "map": self._name, "key": key, "data": data}
        await self._all(self._writer, len(self.readers), **request)


async def run_items(server: Server, subscribers: int, deltas: bool) -> Run:
    """Make all edits of items once and measure them."""
    edited = Items()
    room = ItemRoom(server, deltas)
    await room.open_map(subscribers, f"items-{random.getrandbits(64):x}", edited.items)
    events = EVENTS[subscribers]
    began = cpu_of(server.process.pid)
    for _ in range(events):
        await room.write_item(*edited.edit())
    spent = cpu_of(server.process.pid) - began
    room.close()
    received = statistics.mean(reader.size for reader in room.readers) / events
    return Run(received, spent / events, [])


async def measured_items(server: Server, rounds: int) -> list[str]:
    """Measure the map for all numbers of subscribers; return the lines of the table."""
    lines = [FORM.format("bytes", "subs.", "", "whole", "deltas", "ratio", "least … most")]
    for subscribers in EVENTS:
        pairs = [
            [await run_items(server, subscribers, deltas) for deltas in (False, True)]
            for _ in range(rounds)
        ]
        lines += rows_of(ITEM_SIZE, subscribers, pairs)
    return lines


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with serving(REPLY_TIMEOUT) as server:
        for line in asyncio.run(measured_items(server, arguments.rounds)):
            print(line)


if __name__ == "__main__":
    main()
