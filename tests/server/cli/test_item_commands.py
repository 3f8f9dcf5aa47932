"""The commands that patch, count and batch items, against a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.api import unique
from support.command import CommandLine


@pytest.fixture
def command(into: CommandLine) -> CommandLine:
    """With the shared server's URL, and a token of alice."""
    return into


@pytest.mark.parametrize(("type_", "item"), [("map", "a/b ✓"), ("list", "0")])
def test_an_item_is_patched_and_counted(command: CommandLine, type_: str, item: str) -> None:
    name = unique("cli")
    command(type_, "create", name)
    id_ = () if type_ == "list" else (item,)
    command(type_, "add", name, *id_, '{"n": 1, "old": true}')
    merged = command(type_, "patch", name, item, '{"old": null, "in": {"x": 1}}').value
    assert merged["data"] == {"n": 1, "in": {"x": 1}}
    operations = '[{"op": "test", "path": "/n", "value": 1}, {"op": "remove", "path": "/in/x"}]'
    patched = command(type_, "patch", name, item, "-", "--ttl=60", stdin=operations.encode()).value
    assert patched["data"] == {"n": 1, "in": {}}
    assert patched["date_expires"] is not None
    stale = command(type_, "patch", name, item, "{}", "--if-match", merged["revision"])
    assert (stale.status, "status 412" in stale.err) == (1, True)

    assert command(type_, "increment", name, item, "n").value["data"]["n"] == 2
    assert command(type_, "increment", name, item, "/n", "-5").value["data"]["n"] == -3
    counted = command(type_, "increment", name, item, "/in/new", "0.5").value
    assert counted["data"] == {"n": -3, "in": {"new": 0.5}}

    option = f"--{'index' if type_ == 'list' else 'key'}"
    assert command(type_, "ttl", name, "0", option, item).value["date_expires"] is None
    assert command(type_, "ttl", name, "60").value["date_expires"] is not None


def test_a_batch_of_a_map_is_applied(command: CommandLine, tmp_path: Path) -> None:
    name = unique("cli")
    command("map", "create", name)
    lines = [{"op": "add", "key": f"k{n:03}", "data": {"n": n}} for n in range(250)]
    (tmp_path / "batch.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert command("map", "batch", name, "batch.jsonl").value["applied"] == 250
    assert len(command("map", "ls", name).lines) == 250
    array = b'[{"op": "remove", "key": "k000"}, {"op": "update", "key": "k001", "data": {}}]'
    assert command("map", "batch", name, "-", stdin=array).value["applied"] == 2
    keys = [item["key"] for item in command("map", "ls", name, "--prefix", "k00").lines]
    assert keys == [f"k{n:03}" for n in range(1, 10)]


def test_a_batch_that_is_refused_says_what_was_applied_before(command: CommandLine) -> None:
    name = unique("cli")
    command("list", "create", name)
    lines = [b'{"op": "add", "data": {}}'] * 100 + [b'{"op": "remove", "index": 500}']
    refused = command("list", "batch", name, "-", stdin=b"\n".join(lines))
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("100 operations were applied before\nsyncline: ")
    assert len(command("list", "ls", name).lines) == 100


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[1]", b"{}\n[]\n", b"[{},"])
def test_a_file_that_is_wrong_applies_nothing(command: CommandLine, text: bytes) -> None:
    outcome = command("map", "batch", "unknown", "-", stdin=text)
    if text == b"":
        assert "no operations" in outcome.err
    assert (outcome.status, outcome.out) == (2, "")


@pytest.mark.parametrize("by", ["x", "true", '"1"', "1e400"])
def test_what_is_no_number_is_wrong_usage(command: CommandLine, by: str) -> None:
    assert command("map", "increment", "m", "k", "n", by).status == 2


def test_prefixes_and_limits_of_items(command: CommandLine) -> None:
    name = unique("cli")
    command("map", "create", name)
    for key in ("a", "ab", "abc", "b"):
        command("map", "add", name, key, "{}")

    def keys(*options: str) -> list[str]:
        return [item["key"] for item in command("map", "ls", name, *options).lines]

    assert keys("--prefix", "ab", "--page-size=1") == ["ab", "abc"]
    assert keys("--prefix", "a", "--limit=2") == ["a", "ab"]
    assert keys("--limit=3", "--order=desc") == ["b", "abc", "ab"]
    assert keys("--prefix", "zz") == []
    assert keys("--key", "b", "--key", "ab", "--key", "none") == ["ab", "b"]
    assert command("map", "ls", name, "--prefix", "a", "--order=desc").status == 2
    command("list", "create", name)
    assert command("list", "ls", name, "--prefix", "a").status == 2
