"""The shell commands of the documentation run as they are written; each must succeed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.limits import WAIT_LIMIT
from support.server import SYNCLINE, RunningServer
from support.snippet_state import SnippetState
from support.snippets import Snippet, select

COMMANDS = Path(__file__).with_name("commands.sh")

COMMANDS_AT_MOST = 20
"""In one block, each of which may take the time of a busy machine."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("docs") / "syncline-data") as running:
        yield running


@pytest.fixture(scope="module")
def state(served: RunningServer) -> Iterator[SnippetState]:
    made = SnippetState(served)
    yield made
    made.close()


@pytest.mark.parametrize("snippet", select("shell"), ids=str)
def test_each_command_of_a_block_succeeds(
    snippet: Snippet, served: RunningServer, state: SnippetState, tmp_path: Path
) -> None:
    state.prepare(snippet)
    (tmp_path / "syncline-data").symlink_to(served.data_dir)
    (tmp_path / "service.jsonl").write_text("")
    (tmp_path / "changes.jsonl").write_text('{"op": "put", "key": "bob", "data": {}}\n')
    code = re.sub(r"\.venv/bin/", "", snippet.code).replace("http://127.0.0.1:8040", served.url)
    service = f"{served.url}/v1/Services/default"
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SYNCLINE": str(SYNCLINE),
        "SYNCLINE_URL": served.url,
        "ACCOUNT": ":".join(served.basic),
        "AUTH": ":".join(served.basic),
        "SERVICES": f"{served.url}/v1/Services",
        "SERVICE": service,
        "DOCUMENTS": f"{service}/Documents",
        "ITEMS": f"{service}/Maps/players/Items",
    }
    ended = subprocess.run(
        ["bash", "-c", f"source {COMMANDS}\n{code}"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=COMMANDS_AT_MOST * WAIT_LIMIT,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
