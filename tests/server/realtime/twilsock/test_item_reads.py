"""What a client has read of collections that it has not open."""

from __future__ import annotations

from syncline_protocol.objects import Header
from syncline_server.realtime.twilsock.item_reads import COLLECTIONS_LIMIT, ItemReads


def header(sid: str, revision: int) -> Header:
    return Header(
        sid=sid,
        unique_name=None,
        revision=revision,
        created_ms=0,
        updated_ms=0,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )


def test_the_oldest_read_counts_until_it_is_forgotten() -> None:
    reads = ItemReads()
    assert reads.revision("MP1") is None
    for revision in (5, 7):
        reads.record(header("MP1", revision))
    assert reads.revision("MP1") == 5
    reads.forget("MP1")
    reads.forget("MP1")
    assert reads.revision("MP1") is None
    reads.record(header("MP1", 9))
    assert reads.revision("MP1") == 9


def test_memory_is_bounded() -> None:
    reads = ItemReads()
    for n in range(COLLECTIONS_LIMIT + 1):
        reads.record(header(f"MP{n}", 1))
    assert reads.revision("MP0") is None
    assert reads.revision(f"MP{COLLECTIONS_LIMIT}") == 1
