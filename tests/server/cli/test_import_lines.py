"""`syncline import` of the lines of an export."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.api import DocumentsApi, unique
from support.command import CommandLine, Outcome
from support.http import Ask, HttpServer, Reply, forwarding
from support.server import RunningServer
from support.transfer import counts


def line(**members: Any) -> bytes:
    return orjson.dumps(members) + b"\n"


def export(lines: Iterable[bytes]) -> bytes:
    """Lines, and the one that ends them."""
    all_lines = list(lines)
    return b"".join([*all_lines, line(end={"documents": len(all_lines)})])


def from_lines(command: CommandLine, *lines: bytes, options: tuple[str, ...] = ()) -> Outcome:
    return command("import", "-", *options, stdin=b"".join(lines))


END = line(end={"documents": 3})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{\n", "The line is not valid JSON"),
        (b"[]\n", "The line must be a JSON object; an array was given."),
        (b'{"data":{},"data":{}}\n', 'the key "data" stands twice'),
        (b'{"data":{"a":NaN}}\n', "NaN is not a JSON number"),
        (b'{"data":{"a":"\xff"}}\n', "The line is not valid UTF-8."),
        (line(unique_name="x"), "data must be a JSON object; null was given."),
        (line(unique_name="x", data=[]), "data must be a JSON object; an array was given."),
        (line(unique_name="", data={}), "Invalid unique name."),
        (line(unique_name=7, data={}), "unique_name must be a string; 7 was given."),
        (line(unique_name="ET" + "0" * 32, data={}), "not look like a SID"),
        (line(sid=7, data={}), "sid must be a string; 7 was given."),
        (line(data={}, date_expires="soon"), "date_expires must be null or a date such as"),
        (line(data={}, date_expires=7), "date_expires must be null or a date such as"),
        (b'{"data":{"a":"' + b"x" * (8 * 1024 * 1024) + b'"}}\n', "It is 8388626 bytes"),
    ],
)
def test_a_malformed_line_is_refused_by_its_number_and_the_rest_arrives(
    into: CommandLine, shared: DocumentsApi, bad: bytes, reason: str
) -> None:
    before, after = unique(), unique()

    outcome = from_lines(
        into, line(unique_name=before, data={}), b"\n", bad, line(unique_name=after, data={}), END
    )

    assert outcome.status == 1
    assert outcome.lines == [counts(created=2, failed=1)]
    assert outcome.err.startswith("syncline: line 3: ")
    assert reason in outcome.err
    for name in (before, after):
        assert shared.fetch(name)["data"] == {}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((), "the end: The line that ends an export is missing: the file is incomplete."),
        (
            (line(data={}),),
            "the end: The line that ends an export is missing: the file is incomplete.",
        ),
        ((line(data={}), END), "line 2: The export has 3 documents, but the file has 1."),
        ((END, line(data={})), "line 1: The export has 3 documents, but the file has 0."),
        ((line(data={}), line(end=3)), "line 2: documents must be the number of documents"),
    ],
)
def test_an_export_that_is_not_whole_is_noticed(
    into: CommandLine, lines: tuple[bytes, ...], reason: str
) -> None:
    outcome = from_lines(into, *lines)
    assert outcome.status == 1
    assert f"syncline: {reason}" in outcome.err


@pytest.mark.parametrize("end", [b"", END])
def test_a_part_of_an_export_is_taken_if_asked(
    into: CommandLine, shared: DocumentsApi, end: bytes
) -> None:
    name = unique()
    lines = line(unique_name=name, data={"a": 1}), end
    assert from_lines(into, *lines, options=("--partial",)).value == counts(created=1)
    assert shared.fetch(name)["data"] == {"a": 1}


def test_several_exports_can_follow_each_other(into: CommandLine, shared: DocumentsApi) -> None:
    name = unique()
    one = line(unique_name=name, data={"v": 1}), line(end={"documents": 1})
    two = line(unique_name=name, data={"v": 2}), line(end={"documents": 1})

    outcome = from_lines(into, *one, *two, options=("--on-conflict=replace",))

    assert outcome.value == counts(created=1, replaced=1)
    # The later one counts, however many are written at once.
    assert shared.fetch(name)["data"] == {"v": 2}


def test_a_file_that_was_written_again_is_read_from_its_beginning(
    into: CommandLine, server: RunningServer, shared: DocumentsApi, tmp_path: Path
) -> None:
    prefix, file = unique(), tmp_path / "all.jsonl"
    file.write_bytes(export(line(unique_name=f"{prefix}{n}", data={}) for n in range(150)))
    forward, repaired = forwarding(server.url), threading.Event()

    def answer(ask: Ask) -> Reply | None:
        return (
            forward(ask) if repaired.is_set() or f"{prefix}120&".encode() not in ask.body else None
        )

    with HttpServer(answer) as proxy:
        environ = {"SYNCLINE_URL": proxy.url}
        assert into("import", "all.jsonl", "--retries=0", environ=environ).status == 3
        repaired.set()
        file.write_bytes(export([line(unique_name=f"{prefix} new", data={})]))
        outcome = into("import", "all.jsonl", environ=environ)
    assert outcome.value == counts(created=1)
    assert outcome.err == "syncline: the source has changed; starting again from the beginning\n"
    assert shared.fetch(f"{prefix} new")["data"] == {}


def test_a_file_is_read_on_from_where_it_was_broken_off(
    into: CommandLine, server: RunningServer, shared: DocumentsApi, tmp_path: Path
) -> None:
    prefix, file = unique(), tmp_path / "all.jsonl"
    lines = [line(unique_name=f"{prefix}{n}", data={}) for n in range(250)]
    lines[7] = b"malformed\n"
    file.write_bytes(export(lines))
    forward, repaired = forwarding(server.url), threading.Event()

    def answer(ask: Ask) -> Reply | None:
        return (
            forward(ask) if repaired.is_set() or f"{prefix}220&".encode() not in ask.body else None
        )

    with HttpServer(answer) as proxy:
        environ = {"SYNCLINE_URL": proxy.url}
        assert into("import", "all.jsonl", "--retries=0", environ=environ).status == 3
        repaired.set()
        outcome = into("import", "all.jsonl", environ=environ)
        creates = [ask for ask in proxy.asked if ask.method == "POST"]
    # The last batch alone is carried again; the line that failed at first still counts.
    assert outcome.status == 1
    [total] = outcome.lines
    assert total["created"] + total["skipped"] == 249
    assert total["failed"] == 1
    for number in (0, 249):
        assert shared.fetch(f"{prefix}{number}")["data"] == {}
    first = f"UniqueName={prefix}0&".encode()
    assert sum(ask.body.startswith(first) for ask in creates) == 1
