"""The JavaScript of the documentation that needs no browser runs as it is written, in Node."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import SYNCLINE, RunningServer
from support.snippet_state import SnippetState
from support.snippets import ROOT, Snippet, select

PROGRAM = Path(__file__).with_name("snippets.js")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("docs") / "syncline-data") as running:
        yield running


@pytest.fixture(scope="module")
def state(served: RunningServer) -> Iterator[SnippetState]:
    made = SnippetState(served)
    yield made
    made.close()


@pytest.fixture(scope="module")
def node(served: RunningServer) -> Iterator[subprocess.Popen[str]]:
    command = ["node", str(PROGRAM), served.url, served.token(), served.credentials.auth_token]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.mark.parametrize("snippet", select("node"), ids=str)
def test_a_block_runs(
    snippet: Snippet,
    served: RunningServer,
    state: SnippetState,
    node: subprocess.Popen[str],
) -> None:
    assert node.stdin is not None
    assert node.stdout is not None
    state.prepare(snippet)
    code = snippet.code.replace("https://sync.example.com", served.url)
    code = code.replace("wss://sync.example.com", served.url.replace("http", "ws"))
    node.stdin.write(json.dumps(code) + "\n")
    node.stdin.flush()
    assert json.loads(node.stdout.readline()) is None


@pytest.mark.parametrize("snippet", select("node-test"), ids=str)
def test_the_tests_of_an_example_pass(snippet: Snippet, tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "syncline").symlink_to(ROOT / "clients/js")
    (modules / "syncline-testing").symlink_to(ROOT / "clients/testing")
    (tmp_path / "example.test.mjs").write_text(snippet.code)
    ended = subprocess.run(
        ["node", "--preserve-symlinks", "--test", "example.test.mjs"],
        cwd=tmp_path,
        env={**os.environ, "SYNCLINE_COMMAND": str(SYNCLINE)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
