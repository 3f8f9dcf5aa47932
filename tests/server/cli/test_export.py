"""`syncline export` from real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.http import Ask, HttpServer, Reply, forwarding, json_reply
from support.server import SYNCLINE, RunningServer, clean_environ
from support.terminal import on_terminal
from syncline_server.cli.output import FIELDS


@pytest.fixture
def api(source: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(source) as api:
        yield api


@pytest.fixture
def command(command: CommandLine, source: RunningServer) -> CommandLine:
    """With the source's URL and its account."""
    user, password = source.basic
    command.environ = {
        "SYNCLINE_URL": source.url,
        "SYNCLINE_ACCOUNT_SID": user,
        "SYNCLINE_AUTH_TOKEN": password,
    }
    return command


def lines_of(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_each_document_is_a_line_and_the_last_line_counts_them(
    command: CommandLine, api: DocumentsApi
) -> None:
    api.create(UniqueName="a/b ü", Data='{"n": 1}', Ttl="600")
    api.create(Data='{"n": 2.5}')

    exported = command("export").lines

    assert exported.pop() == {"end": {"documents": 2}}
    assert all(tuple(line) == FIELDS for line in exported)
    for line in exported:
        resource = api.fetch(line["sid"])
        assert line == {name: resource[name] for name in FIELDS}


def test_a_file_appears_when_it_is_whole(
    command: CommandLine, api: DocumentsApi, tmp_path: Path
) -> None:
    api.create(UniqueName="only", Data="{}")

    assert command("export", "documents.jsonl").value == {"exported": 1}

    assert [path.name for path in tmp_path.glob("*.jsonl*")] == ["documents.jsonl"]
    written = tmp_path / "documents.jsonl"
    assert [line.get("unique_name") for line in lines_of(written)] == ["only", None]
    # What it holds is as private as the data directory.
    assert written.stat().st_mode & 0o777 == 0o600


def test_an_empty_service_has_an_export_too(command: CommandLine) -> None:
    assert command("export").value == {"end": {"documents": 0}}


def test_many_pages_are_exported_once_each(command: CommandLine, api: DocumentsApi) -> None:
    for number in range(25):
        api.create(UniqueName=f"n{number}", Data="{}")

    *documents, end = command("export", "--page-size", "4").lines

    assert sorted(line["unique_name"] for line in documents) == sorted(
        f"n{number}" for number in range(25)
    )
    assert end == {"end": {"documents": 25}}


def test_one_that_breaks_off_leaves_what_was_there(
    command: CommandLine, api: DocumentsApi, source: RunningServer, tmp_path: Path
) -> None:
    for _ in range(3):
        api.create(Data="{}")
    (tmp_path / "documents.jsonl").write_text("older\n")
    forward = forwarding(source.url)

    def answer(ask: Ask) -> Reply | None:
        return None if "PageToken" in ask.target else forward(ask)

    with HttpServer(answer) as proxy:
        outcome = command(
            "export", "documents.jsonl", "--page-size=2", "--retries=0", f"--url={proxy.url}"
        )
    assert outcome.status == 3
    assert outcome.out == ""
    assert (tmp_path / "documents.jsonl").read_text() == "older\n"
    assert list(tmp_path.glob("*.part")) == []


def test_one_that_breaks_off_in_a_pipe_lacks_its_last_line(
    command: CommandLine, api: DocumentsApi, source: RunningServer
) -> None:
    for _ in range(3):
        api.create(Data="{}")
    forward = forwarding(source.url)

    def answer(ask: Ask) -> Reply:
        if "PageToken" in ask.target:
            return json_reply(503, {"code": 20503, "status": 503, "message": "Away."})
        return forward(ask)

    with HttpServer(answer) as proxy:
        outcome = command("export", "--page-size=2", "--retries=0", f"--url={proxy.url}")
    assert outcome.status == 1
    assert outcome.err == "syncline: Away. (code 20503, status 503)\n"
    assert [tuple(line) for line in outcome.lines] == [FIELDS, FIELDS]


def test_one_that_is_killed_never_looks_whole(
    api: DocumentsApi, source: RunningServer, tmp_path: Path
) -> None:
    for _ in range(3):
        api.create(Data="{}")
    forward, asked, end = forwarding(source.url), threading.Event(), threading.Event()

    def answer(ask: Ask) -> Reply | None:
        if "PageToken" not in ask.target:
            return forward(ask)
        asked.set()
        end.wait()
        return None

    with HttpServer(answer) as proxy:
        process = subprocess.Popen(
            [SYNCLINE, "export", "documents.jsonl", "--page-size=2", f"--url={proxy.url}"],
            env=clean_environ({"SYNCLINE_TOKEN": source.token()}),
            cwd=tmp_path,
        )
        assert asked.wait(30)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        end.set()
    assert not (tmp_path / "documents.jsonl").exists()


def test_a_pipe_with_a_name_is_written_into(
    command: CommandLine, api: DocumentsApi, tmp_path: Path
) -> None:
    api.create(UniqueName="only", Data="{}")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    assert command("export", str(pipe)).status == 0

    reader.join(30)
    assert pipe.is_fifo()
    assert b"".join(read).endswith(b'{"end":{"documents":1}}\n')


def test_a_file_that_cannot_be_written_is_said(command: CommandLine) -> None:
    outcome = command("export", "absent/documents.jsonl")
    assert outcome.status == 2
    assert "absent/documents.jsonl cannot be written: No such file or directory" in outcome.err


def test_wrong_credentials_are_refused(command: CommandLine, tmp_path: Path) -> None:
    outcome = command("export", "documents.jsonl", environ={"SYNCLINE_AUTH_TOKEN": "wrong"})
    assert outcome.status == 1
    assert "code 20003, status 401" in outcome.err
    assert list(tmp_path.glob("documents*")) == []


def test_a_terminal_sees_how_far_it_is(
    api: DocumentsApi, source: RunningServer, tmp_path: Path
) -> None:
    for _ in range(3):
        api.create(Data="{}")
    status, shown = on_terminal(
        "export",
        str(tmp_path / "documents.jsonl"),
        environ=clean_environ({"SYNCLINE_URL": source.url, "SYNCLINE_TOKEN": source.token()}),
    )
    assert status == 0
    assert "Exporting" in shown
    assert "3 exported" in shown
    assert len(lines_of(tmp_path / "documents.jsonl")) == 4
