from __future__ import annotations

from pathlib import Path

import pytest

from support.verify import Outcome
from syncline_tools.verify.encoding import decode, encode
from syncline_tools.verify.history import History, read_history
from syncline_tools.verify.records import (
    Ended,
    Joined,
    Missing,
    Stalled,
    content_of,
)


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with path.open("wb") as file:
        history = History(file)
        history.add(Joined(at=0.25, client="native-1", wire="native"))
        history.add(Ended(at=1.5, healed=1))

    assert list(read_history(path)) == history.records


def test_time_grows_and_writes_are_numbered_from_one(tmp_path: Path) -> None:
    with (tmp_path / "history.jsonl").open("wb") as file:
        history = History(file)

        assert 0 <= history.now() <= history.now()
        assert [history.number_write(), history.number_write()] == [1, 2]


def test_every_record_of_a_run_is_the_same_after_another_writing(
    recorded: Outcome, recorded_items: Outcome
) -> None:
    # Whether a client asks for what is gone already is a matter of chance.
    missing = Missing(at=1, client="c", document="d", connection=1)
    # So is whether the machine is busy.
    records = [*recorded.records, *recorded_items.records, missing, Stalled(at=1, seconds=1)]

    # Two more kinds come only where a client was too slow.
    seen = {type(record).__name__ for record in records} - {"MessagesMissed", "ReplicaReset"}
    assert len(seen) == 31
    for record in records:
        assert decode(encode(record)) == record


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"record":"joined","at":1}', b'{"record":"nothing","at":1}']
)
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_content_is_that_of_the_data_whatever_the_order_of_its_members() -> None:
    assert content_of({"a": 1, "b": {"c": 2, "d": 3}}) == content_of(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )
    assert content_of({"a": 1}) != content_of({"a": 2})
