"""Portions of one replay know what the client had before the first."""

from __future__ import annotations

import pytest

from syncline_protocol.items import Change, ChangeKind, Item
from syncline_server.realtime.twilsock.replay_progress import COLLECTIONS_LIMIT, ReplaysUnderWay


def change(kind: ChangeKind, born: int, revision: int) -> Change:
    item = Item(
        key="k",
        revision=revision,
        born=born,
        data=b"{}",
        created_ms=0,
        updated_ms=0,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )
    return Change(kind=kind, item=item)


@pytest.mark.parametrize(
    ("kind", "born", "revision", "is_of_use"),
    [
        (ChangeKind.ADDED, 15, 30, True),
        (ChangeKind.UPDATED, 15, 30, True),
        (ChangeKind.REMOVED, 5, 30, True),  # the client had it
        (ChangeKind.REMOVED, 15, 30, False),  # gone before the replay began
        (ChangeKind.REMOVED, 15, 45, True),  # perhaps sent in an earlier portion
    ],
)
def test_a_removal_is_of_use_to_a_client_that_may_have_the_item(
    kind: ChangeKind, born: int, revision: int, is_of_use: bool
) -> None:
    replays = ReplaysUnderWay()
    replays.interrupt("MP1", replays.next("MP1", since=10, newest=40), 20)
    progress = replays.next("MP1", since=20, newest=50)
    assert (progress.origin, progress.begun_at) == (10, 40)
    assert bool(progress.of_use([change(kind, born, revision)])) == is_of_use


def test_a_client_that_asks_from_elsewhere_begins_again() -> None:
    replays = ReplaysUnderWay()
    replays.interrupt("MP1", replays.next("MP1", since=10, newest=40), 20)
    progress = replays.next("MP1", since=19, newest=50)
    assert (progress.origin, progress.begun_at) == (19, 50)
    # And what was known is forgotten.
    assert replays.next("MP1", since=20, newest=60).origin == 20


def test_memory_is_bounded() -> None:
    replays = ReplaysUnderWay()
    for n in range(COLLECTIONS_LIMIT + 1):
        replays.interrupt(f"MP{n}", replays.next(f"MP{n}", since=10, newest=40), 20)
    assert replays.next("MP0", since=20, newest=50).origin == 20
    assert replays.next(f"MP{COLLECTIONS_LIMIT}", since=20, newest=50).origin == 10
