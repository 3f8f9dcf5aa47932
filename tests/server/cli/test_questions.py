"""The question before what cannot be undone, on a terminal."""

from __future__ import annotations

import os
import pty

import pytest

from support.api import unique
from support.command import CommandLine
from support.forking import Start, fork_command
from support.server import clean_environ


def answered(answer: bytes, environ: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal and answer its question; the exit status and the output."""
    ours, theirs = pty.openpty()
    process = fork_command(
        Start(arguments=arguments, environ=environ, terminal=theirs, stderr=theirs)
    )
    os.close(theirs)
    written = b""
    while b"[y/N]" not in written:
        written += os.read(ours, 4096)
    os.write(ours, answer)
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:
            chunk = b""
        if not chunk:
            break
        written += chunk
    os.close(ours)
    return process.wait(), written.decode()


@pytest.mark.parametrize(
    ("answer", "status", "is_left"),
    [(b"y\n", 0, False), (b"n\n", 1, True), (b"\n", 1, True), (b"\x04", 130, True)],
)
def test_the_answer_decides(into: CommandLine, answer: bytes, status: int, is_left: bool) -> None:
    name = unique("cli")
    into("doc", "set", name, "{}")
    ended, written = answered(answer, clean_environ(into.environ), "doc", "rm", name)
    assert f"Remove the document {name} for everyone? This cannot be undone." in written
    assert ended == status
    assert (into("doc", "get", name).status == 0) is is_left


@pytest.mark.parametrize(
    "arguments",
    [
        ("doc", "rm", "x"),
        ("map", "rm", "x"),
        ("map", "rm", "x", "key"),
        ("list", "rm", "x", "0"),
        ("stream", "rm", "x"),
    ],
)
def test_without_a_terminal_nothing_is_changed(
    into: CommandLine, arguments: tuple[str, ...]
) -> None:
    outcome = into(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "give --yes" in outcome.err
