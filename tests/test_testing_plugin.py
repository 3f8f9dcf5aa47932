"""The pytest plugin, run as its users do: `pytest` in a small project of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import httpx2
import pytest

from support.limits import WAIT_LIMIT
from support.server import clean_environ
from syncline.testing import LocalServer, ServerMissing, find_command

PROJECT = """
import pytest
import syncline

pytestmark = pytest.mark.asyncio
seen = []

@pytest.fixture
def syncline_service_settings(request):
    return {"AclEnabled": "true"} if "rights" in request.node.name else {}

async def test_a_client_is_connected(syncline_client, syncline_service):
    lobby = await syncline_client.document("lobby", data={"players": 1})
    await lobby.increment("/players")
    assert lobby.data == {"players": 2} and lobby.updated_by == "alice"
    seen.append(syncline_service.sid)

async def test_a_service_is_empty(syncline_client, syncline_service, syncline_server):
    lobby = await syncline_client.document("lobby", data={"players": 7})
    assert lobby.data == {"players": 7}
    with pytest.raises(RuntimeError, match="404"):
        syncline_server.request("GET", f"/Services/{seen[0]}/Documents")
    assert syncline_service.documents["lobby"].data == {"players": 7}

async def test_two_users(syncline_connect):
    async with syncline_connect("bob") as bob, syncline_connect("carol") as carol:
        document = await carol.document("shared", data={})
        events = document.events()
        await (await bob.document("shared")).update({"by": "bob"})
        assert (await anext(events)).data == {"by": "bob"}

async def test_rights_are_a_setting_of_the_service(syncline_client, syncline_service):
    syncline_service.documents.create("secret")
    with pytest.raises(syncline.RequestError):
        await syncline_client.document("secret", mode="open_existing")

async def test_an_hour_passes_at_once(syncline_client, syncline_clock):
    document = await syncline_client.document("brief", data={}, ttl=3600)
    events = document.events()
    syncline_clock.advance(3600)
    assert (await anext(events)).expired
    assert (await syncline_client.document("next", data={})).data == {}

class TestIdentity:
    @pytest.fixture
    def syncline_identity(self):
        return "zoe"

    async def test_it_is_a_fixture(self, syncline_client):
        assert (await syncline_client.document("x", data={})).updated_by == "zoe"

async def test_a_failure_shows_the_log(syncline_client, syncline_service):
    assert False
"""

ANYIO = """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.parametrize("turn", range(4))
async def test_of_anyio(syncline_client, syncline_connect, syncline_server, turn):
    async with syncline_connect("bob") as bob:
        document = await bob.document("shared", data={"turn": turn})
        assert (await syncline_client.document("shared")).data == {"turn": turn}
    print("URL", syncline_server.url, end=".")
"""


ASYNCIO = "-oasyncio_default_fixture_loop_scope=function"
"""Without it, pytest-asyncio warns."""


def run_pytest(
    directory: Path, source: str, *options: str, environ: Mapping[str, str] | None = None
) -> tuple[dict[str, str], str]:
    """The outcome of each test, and what pytest printed."""
    (directory / "test_project.py").write_text(source)
    (directory / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nsyncline_options = --item-limit 2000\n"
    )
    report = directory / "report.xml"
    command = [sys.executable, "-m", "pytest", "-pno:cacheprovider", f"--junitxml={report}"]
    ended = subprocess.run(
        [*command, "-rA", *options, "."],
        cwd=directory,
        env=clean_environ(environ or {}),
        capture_output=True,
        text=True,
        timeout=2 * WAIT_LIMIT,
        check=False,
    )
    assert report.exists(), ended.stdout + ended.stderr
    outcomes = {
        case.attrib["name"]: case[0].tag if len(case) and case[0].tag != "system-out" else "passed"
        for case in ElementTree.parse(report).iter("testcase")
    }
    return outcomes, ended.stdout


def test_a_project_with_pytest_asyncio(tmp_path: Path) -> None:
    outcomes, printed = run_pytest(tmp_path, PROJECT, ASYNCIO)

    failed = "test_a_failure_shows_the_log"
    expected = dict.fromkeys(outcomes, "passed") | {failed: "failure"}
    assert (outcomes, len(outcomes)) == (expected, 7), printed
    assert printed.count("Syncline server log call") == 1
    # Of its own test only.
    log = printed.partition("Syncline server log call")[2].partition("= PASSES =")[0]
    assert log.count("service created") == 1


def test_a_project_with_anyio_and_a_server_for_each_worker(tmp_path: Path) -> None:
    outcomes, printed = run_pytest(tmp_path, ANYIO, "-n2", "-pno:asyncio", "--dist=load")

    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 4, printed
    assert len(set(re.findall(r"URL (\S+)\.", printed))) == 2


def test_without_a_server_a_test_fails_with_one_line(tmp_path: Path) -> None:
    missing = {"SYNCLINE_COMMAND": str(tmp_path / "absent")}
    outcomes, printed = run_pytest(
        tmp_path, "def test_it(syncline_server): ...", ASYNCIO, environ=missing
    )

    assert outcomes == {"test_it": "error"}
    assert "absent serve` cannot be run" in printed and "Traceback" not in printed


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCLINE_COMMAND", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("syncline.testing.command.find_spec", lambda _name: None)
    with pytest.raises(ServerMissing, match=r"pip install 'syncline\[server\]'"):
        find_command()


def test_a_refused_option_is_shown(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 2:\n.*no-such-option"):
        LocalServer(tmp_path, ["--no-such-option"])


def test_the_server_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = (
        "from syncline.testing import LocalServer; server = LocalServer(); print(server.url, "
        "flush=True); input()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environ({"TMPDIR": str(tmp_path)}),
    )
    with starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().decode().strip()
        assert httpx2.get(f"{url}/healthz").is_success
        os.kill(starter.pid, signal.SIGKILL)
    for _ in range(1000):
        try:
            httpx2.get(f"{url}/healthz", timeout=1)
        except httpx2.HTTPError:
            return
    pytest.fail("the server still answers")


def test_pytest_loads_no_client_for_projects_that_do_not_use_it(tmp_path: Path) -> None:
    source = "import sys\ndef test_it(): assert not {'syncline', 'httpx2'} & set(sys.modules)"
    outcomes, printed = run_pytest(tmp_path, source, ASYNCIO)
    assert outcomes == {"test_it": "passed"}, printed
