"""Captures the commands of the server's commits, so that the load client can send them to Redis."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .load import group
from .syncline import Native
from .target import Missing
from .test_bed import TestBed

__all__ = ["captured_commits"]

REPLY_TIMEOUT = 5.0
"""Seconds in which all commits must be captured."""

DATA = '{"text":"{text}"}'

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DATA = re.compile(r'\{\\"text\\":\\"@@(\d{5}):[^"]*\\"\}')


def captured_commits(test_bed: TestBed) -> list[str]:
    """Lines of a load script that send the server's commits: the same Lua script and arguments.

    MONITOR captures them, so that they stay right when the server's code changes. Each document has
    its own arguments; only the data differ from write to write.

    Raises:
        Missing: the server does not write a document with one command that contains no spaces.
    """
    documents = test_bed.site.documents
    with _monitor(test_bed) as lines:
        writers = group("writers", documents, test_bed.site, Native().writer(test_bed.site))
        with test_bed.load(writers) as load:
            load.publish("inflight", 1, 0.05)
        commands = _commands(lines, documents)
    if len({len(words) for words in commands}) != 1:
        raise Missing("the server's commits are not alike")
    words = list(zip(*commands, strict=True))
    lists = [
        f"list word{number} doc {' '.join(values)}"
        for number, values in enumerate(words)
        if values[0] != DATA
    ]
    texts = [
        DATA if values[0] == DATA else f"{{word{number}}}" for number, values in enumerate(words)
    ]
    return ["speak resp", *lists, f"publish {' '.join(texts)}"]


def _commands(lines: TextIO, documents: int) -> list[list[str]]:
    """The first command that wrote each document."""
    found: dict[int, list[str]] = {}
    try:
        for line in lines:
            data = _DATA.search(line)
            if data is not None and " lua]" not in line:
                found.setdefault(int(data[1]), _words(line))
            if len(found) == documents:
                return [found[number] for number in range(documents)]
    except TimeoutError:
        pass
    raise Missing(f"commits of only {len(found)} of {documents} documents were seen")


def _words(line: str) -> list[str]:
    """The arguments in a line of MONITOR, in the form of a load script."""
    words = _WORD.findall(_DATA.sub(lambda _: DATA.replace('"', '\\"'), line))
    if any(" " in word for word in words):
        raise Missing("the server's commits have words with spaces")
    return [word.replace('\\"', '"') or '""' for word in words]


@contextmanager
def _monitor(test_bed: TestBed) -> Iterator[TextIO]:
    with socket.create_connection(
        ("127.0.0.1", test_bed.redis_site.port), REPLY_TIMEOUT
    ) as connection:
        connection.sendall(b"MONITOR\r\n")
        with connection.makefile() as lines:
            yield lines
