"""The Python of the documentation runs as it is written."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from twilio.request_validator import RequestValidator
from twilio.rest import Client

import syncline
from support.limits import WAIT_LIMIT
from support.server import SYNCLINE, RunningServer
from support.snippet_state import SnippetState
from support.snippets import Snippet, select

HOSTS = re.compile(r"http://127\.0\.0\.1:8040|https://sync\.example\.com")
VENDOR = re.compile(
    r"client\.sync\b|service\.sync_|sync_map_items|^documents\b|= documents\b", re.M
)
WEBHOOK = "https://app.example.com/sync"
QUIET = 0.5
"""Seconds after which a block that is not done is taken for one that waits for a change."""

Names = dict[str, Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("docs") / "syncline-data") as running:
        yield running


@pytest.fixture(scope="module")
def state(served: RunningServer) -> Iterator[SnippetState]:
    made = SnippetState(served)
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connected(served: RunningServer) -> AsyncIterator[syncline.Client]:
    async with syncline.connect(served.url, token=served.token()) as client:
        yield client


@pytest.fixture(scope="module")
def vendor(served: RunningServer) -> Client:
    client = Client(*served.basic)
    client.sync.base_url = served.url
    return client


@pytest.fixture(scope="module")
def defined() -> Names:
    """What earlier blocks of the pages have defined."""
    return {}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("snippet", select("python"), ids=str)
async def test_a_block_runs(
    snippet: Snippet,
    served: RunningServer,
    state: SnippetState,
    connected: syncline.Client,
    vendor: Client,
    defined: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state.prepare(snippet)
    defined |= _credentials(served)
    for name, value in {"SYNCLINE_URL": served.url, **served.account_environ}.items():
        monkeypatch.setenv(name, value)
    if VENDOR.search(snippet.code):
        defined |= _names_of_vendor(vendor, snippet)
    else:
        defined |= await _names(served, connected, snippet)
    given = defined["service"]
    running = asyncio.ensure_future(_run(snippet, served, defined))
    await asyncio.wait([running], timeout=QUIET)
    if not running.done():
        state.change()
        await asyncio.wait([running], timeout=QUIET)
    if not running.done():
        state.clear()
    await asyncio.wait_for(running, WAIT_LIMIT)
    for each in (given, defined.get("service"), defined.get("client")):
        if isinstance(each, syncline.Service):
            each.close()
        elif isinstance(each, Client) and each is not vendor:
            each.http_client.session.close()


async def _run(snippet: Snippet, served: RunningServer, names: Names) -> None:
    text = HOSTS.sub(served.url, snippet.code)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile("\n" * snippet.line + text, snippet.page, "exec", flags, dont_inherit=True)
    result = eval(code, names)
    if inspect.iscoroutine(result):
        await result


def _credentials(served: RunningServer) -> Names:
    known = served.credentials
    sid, secret = next(iter(known.api_keys.items()))
    names = {
        "account_sid": known.account_sid,
        "auth_token": known.auth_token,
        "api_key_sid": sid,
        "api_key_secret": secret,
        "key_sid": sid,
        "key_secret": secret,
    }
    return names | {name.upper(): value for name, value in names.items()}


def _names_of_vendor(client: Client, snippet: Snippet) -> Names:
    service = client.sync.v1.services("default")
    names: Names = {"client": client, "service": service, "documents": service.documents}
    if snippet.heading == "Change safely":
        names["document"] = service.documents("lobby").fetch()
    return names


async def _names(served: RunningServer, client: syncline.Client, snippet: Snippet) -> Names:
    form = {"EventType": "document_updated"}
    signature = RequestValidator(served.credentials.auth_token).compute_signature(WEBHOOK, form)
    names: Names = {
        "__name__": "documentation",
        "syncline": syncline,
        "client": client,
        "fetch_token": lambda: served.token(),
        "request": SimpleNamespace(form=form, headers={"X-Twilio-Signature": signature}),
        "abort": lambda status: pytest.fail(f"abort({status})"),
        "service": syncline.Service(served.url, *served.basic),
    }
    if "await client.document" not in snippet.code:
        names["lobby"] = await client.document("lobby")
    if "await client.map" not in snippet.code:
        names["players"] = await client.map("players")
    return names


@pytest.mark.parametrize("snippet", select("program"), ids=str)
def test_a_program_prints_what_changes(
    snippet: Snippet, served: RunningServer, tmp_path: Path
) -> None:
    code = HOSTS.sub(served.url, snippet.code).replace(".venv/bin/syncline", str(SYNCLINE))
    (tmp_path / "program.py").write_text(code)
    (tmp_path / "syncline-data").symlink_to(served.data_dir)
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("now {'players'")
        finally:
            process.terminate()


@pytest.mark.parametrize("snippet", select("pytest"), ids=str)
def test_the_tests_of_an_example_pass(snippet: Snippet, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(snippet.code)
    environ = {**os.environ, "SYNCLINE_COMMAND": str(SYNCLINE)}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "test_example.py"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert f"{snippet.code.count('def test_')} passed" in ended.stdout, ended.stdout + ended.stderr
