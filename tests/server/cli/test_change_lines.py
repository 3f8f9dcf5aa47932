"""The line that `watch` prints for each event."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import unique
from support.command import CommandLine
from support.server import RunningServer
from support.watching import watching
from syncline_server.cli.change_lines import data_changes, document_line, object_lines


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ({"n": 1}, {"n": 2}, ["n 1 → 2"]),
        ({}, {"a b": "x"}, ['+a b "x"']),
        ({"gone": 1}, {}, ["-gone"]),
        (
            {"a": {"b": {"c": 1}}},
            {"a": {"b": {"c": 2, "d/e": 3}}},
            ["/a/b/c 1 → 2", "+/a/b/d~1e 3"],
        ),
        ({"a": {"b": 1}}, {"a": [1]}, ['a {"b":1} → [1]']),
        ({"a": 1}, {"a": True}, ["a 1 → true"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], shown: list[str]) -> None:
    assert list(data_changes(before, after)) == shown


def test_a_line_is_bounded() -> None:
    data = {f"key {n}": "x" * 1000 for n in range(1000)}
    body = {"unique_name": "big", "sid": "ET", "updated_by": "ada", "data": data}
    assert len(document_line(body, None)) < 1000
    assert len(document_line(body, {})) < 1000
    assert document_line(body, {}).endswith("and 992 more")


def test_items_have_a_line_each() -> None:
    changes = [
        {"key": "a", "kind": "added", "data": {"n": 1}, "updated_by": "ada"},
        {"key": "b", "kind": "removed", "expired": True},
    ]
    members = {"map": {"unique_name": "players", "sid": "MP"}, "changes": changes}
    assert list(object_lines(members)) == ['players +a by ada {"n":1}', "players -b expired"]


def test_watch_shows_what_has_changed(into: CommandLine, server: RunningServer) -> None:
    name = unique("cli")
    into("doc", "set", name, '{"n": 1}')
    with watching(server, "doc", name, "-o", "table") as watch:
        assert watch.process.stdout is not None

        def words() -> list[str]:
            assert watch.process.stdout is not None
            return watch.process.stdout.readline().split()[1:]

        assert words() == ["state", name, "by", "alice", '{"n":1}']
        into("doc", "set", name, '{"n": 2}')
        assert words() == ["updated", name, "by", "alice", "n", "1", "→", "2"]
        into("doc", "rm", name, "--yes")
        assert words() == ["removed", name, "by", "alice"]
