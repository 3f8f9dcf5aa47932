"""The one-shot `doc` commands against a real server."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.command import CommandLine
from support.server import RunningServer, StartServer
from syncline_server.cli.api import Collection
from syncline_server.cli.output import FIELDS

ABSENT_SID = "ET" + "0" * 32


@pytest.fixture
def name() -> str:
    """A unique name that no other test has, and that needs care in a URL."""
    return f"cli/{uuid.uuid4().hex} ✓?#%"


@pytest.fixture
def command(command: CommandLine, server: RunningServer) -> CommandLine:
    """With the shared server's URL, and a token of alice."""
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token("alice")}
    return command


def test_set_creates_and_get_prints(command: CommandLine, name: str) -> None:
    created = command("doc", "set", name, '{"color": "rød"}').value
    assert created["unique_name"] == name
    assert created["data"] == {"color": "rød"}
    assert created["created_by"] == created["updated_by"] == "alice"
    assert created["date_expires"] is None
    assert command("doc", "get", name).value == created
    assert command("doc", "get", created["sid"]).value == created


@pytest.mark.parametrize("around", ["{}\n", "\r\n{}\r\n", "\t{} "])
def test_white_space_around_a_token_does_not_matter(
    command: CommandLine, name: str, around: str
) -> None:
    token = around.format(command.environ.pop("SYNCLINE_TOKEN"))
    created = command("doc", "set", name, "{}", environ={"SYNCLINE_TOKEN": token}).value
    assert created["created_by"] == "alice"
    assert command("doc", "get", name, "--token", token).value == created


@pytest.mark.parametrize("name", ["...", "/", " ", "a/../b", "a//b", "%2e%2e", "x\ny", "-"])
def test_a_name_that_means_something_in_a_path_is_still_a_name(
    command: CommandLine, name: str
) -> None:
    created = command("doc", "set", "--", name, "{}").value
    assert created["unique_name"] == name
    assert command("doc", "get", "--", name).value == created
    assert command("doc", "rm", "--yes", "--", name).value == {"removed": name}
    assert command("doc", "get", created["sid"]).status == 1


def test_a_document_is_printed_with_its_properties_in_order(
    command: CommandLine, name: str
) -> None:
    assert tuple(command("doc", "set", name, "{}").value) == FIELDS


def test_set_replaces(command: CommandLine, name: str) -> None:
    first = command("doc", "set", name, '{"a": 1, "b": 2}').value
    second = command("doc", "set", name, '{"a": 3}').value
    assert second["data"] == {"a": 3}
    assert int(second["revision"]) > int(first["revision"])
    assert second["sid"] == first["sid"]


def test_set_reads_stdin_and_files(command: CommandLine, name: str, tmp_path: Path) -> None:
    assert command("doc", "set", name, "-", stdin=b'{"from": "stdin"}').value["data"] == {
        "from": "stdin"
    }
    (tmp_path / "data.json").write_text('{"from":\n "a file"}')
    assert command("doc", "set", name, "@data.json").value["data"] == {"from": "a file"}


def test_set_with_ttl_sets_the_expiry(command: CommandLine, name: str) -> None:
    assert command("doc", "set", name, "{}", "--ttl", "60").value["date_expires"] is not None
    assert command("doc", "set", name, "{}", "--ttl", "0").value["date_expires"] is None


def test_set_with_ttl_alone_keeps_the_data(command: CommandLine, name: str) -> None:
    command("doc", "set", name, '{"a": 1}')
    written = command("doc", "set", name, "--ttl", "60").value
    assert written["data"] == {"a": 1}
    assert written["date_expires"] is not None


def test_set_with_ttl_alone_creates_nothing(command: CommandLine, name: str) -> None:
    assert command("doc", "set", name, "--ttl", "60").status == 1
    assert command("doc", "get", name).status == 1


def test_set_without_create_writes_only_what_exists(command: CommandLine, name: str) -> None:
    refused = command("doc", "set", name, "{}", "--no-create")
    assert refused.status == 1
    assert refused.err.endswith("(code 20404, status 404)\n")
    command("doc", "set", name, "{}")
    assert command("doc", "set", name, '{"a": 1}', "--no-create").value["data"] == {"a": 1}


def test_a_sid_is_never_created(command: CommandLine) -> None:
    refused = command("doc", "set", ABSENT_SID, "{}")
    assert refused.status == 1
    assert refused.err.endswith("(code 20404, status 404)\n")


def test_if_match_writes_only_over_that_revision(command: CommandLine, name: str) -> None:
    first = command("doc", "set", name, '{"n": 1}').value["revision"]
    second = command("doc", "set", name, '{"n": 2}', "--if-match", first).value["revision"]
    for stale in (
        command("doc", "set", name, '{"n": 3}', "--if-match", first),
        command("doc", "update", name, '{"n": 3}', "--if-match", first),
        command("doc", "rm", name, "--yes", "--if-match", first),
    ):
        assert (stale.status, stale.out) == (1, "")
        assert stale.err.endswith("(code 54103, status 412)\n")
    assert command("doc", "get", name).value["revision"] == second


def test_if_match_creates_nothing(command: CommandLine, name: str) -> None:
    assert command("doc", "set", name, "{}", "--if-match", "1").status == 1
    assert command("doc", "get", name).status == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--create", "--ttl", "1"], ["{}", "--create", "--if-match", "1"]]
)
def test_set_needs_something_that_it_can_do(command: CommandLine, arguments: list[str]) -> None:
    assert command("doc", "set", "x", *arguments).status == 2


def test_update_sets_top_level_keys(command: CommandLine, name: str) -> None:
    command("doc", "set", name, '{"a": {"deep": 1}, "b": 2}')
    written = command("doc", "update", name, '{"a": {"new": null}, "c/~d": 3}', "--ttl", "60").value
    assert written["data"] == {"a": {"new": None}, "b": 2, "c/~d": 3}
    assert written["date_expires"] is not None


def test_rm_removes(command: CommandLine, name: str) -> None:
    command("doc", "set", name, "{}")
    assert command("doc", "rm", name, "--yes").value == {"removed": name}
    assert command("doc", "get", name).status == 1


def test_what_the_server_refuses_is_one_line_with_code_and_status(
    command: CommandLine, name: str
) -> None:
    outcome = command("doc", "set", name, "{}", "--ttl", "-1")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("syncline: ")
    assert outcome.err.endswith("(code 54011, status 400)\n")
    assert outcome.err.count("\n") == 1


def test_ls_prints_every_document_over_several_pages(
    command: CommandLine, fresh_server: StartServer
) -> None:
    # Where the server says that it is does not matter: the listing goes on where it began.
    server = fresh_server("--public-url", "http://sync.invalid/elsewhere")
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_TOKEN": server.token()}
    names = {f"document {number}" for number in range(7)}
    made = [command("doc", "set", name, "{}").value for name in names]
    listed = command("doc", "ls", "--page-size", "3").lines
    assert sorted(listed, key=by_sid) == sorted(made, key=by_sid)


def test_ls_of_nothing_is_empty(command: CommandLine, fresh_server: StartServer) -> None:
    server = fresh_server()
    outcome = command("doc", "ls", "--url", server.url, "--token", server.token())
    assert (outcome.status, outcome.out) == (0, "")


def by_sid(document: Any) -> str:
    return str(document["sid"])


def test_a_basic_login_writes_as_system(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    user, password = server.basic
    command.environ = {
        "SYNCLINE_URL": server.url,
        "SYNCLINE_ACCOUNT_SID": user,
        "SYNCLINE_AUTH_TOKEN": password,
    }
    assert command("doc", "set", name, "{}").value["updated_by"] == "system"
    assert command("doc", "update", name, '{"a": 1}').value["data"] == {"a": 1}
    assert name in [listed["unique_name"] for listed in command("doc", "ls").lines]
    assert command("doc", "rm", name, "--yes").status == 0


def test_the_data_directory_of_a_local_server_does(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    command.environ = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    assert command("doc", "set", name, "{}").value["created_by"] == "cli"
    written = command("doc", "set", name, "{}", "--identity", "bob").value
    assert (written["created_by"], written["updated_by"]) == ("cli", "bob")


def test_the_url_may_be_that_of_the_websocket(
    command: CommandLine, server: RunningServer, name: str
) -> None:
    url = server.url.replace("http://", "ws://")
    assert command("doc", "set", name, "{}", "--url", f"{url}/").status == 0


def test_a_token_that_is_refused(command: CommandLine) -> None:
    outcome = command("doc", "get", "x", "--token", "nonsense")
    assert outcome.status == 1
    assert "status 401" in outcome.err


def test_an_unknown_service(command: CommandLine, server: RunningServer) -> None:
    outcome = command(
        "doc", "ls", "--service", "IS" + "0" * 32, environ={"SYNCLINE_TOKEN": server.token()}
    )
    assert outcome.status == 1


def test_a_server_that_is_not_there(command: CommandLine) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # taken, but nobody listens
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        outcome = command("doc", "get", "x", "--url", url)
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.startswith(f"syncline: {url} cannot be reached: ")
    assert outcome.err.count("\n") == 1


class OtherServer(BaseHTTPRequestHandler):
    """Answers everything, with pages for people."""

    def do_GET(self) -> None:
        status = 404 if "absent" in self.path else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<h1>Welcome</h1>")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def other_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), OtherServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "reason"),
    [("x", "does not come from a Syncline server"), ("absent", "no Syncline server made this")],
)
def test_a_server_that_is_another(
    command: CommandLine, other_url: str, address: str, reason: str
) -> None:
    outcome = command("doc", "get", address, "--url", other_url)
    assert outcome.status == 3
    assert reason in outcome.err


def test_create_refuses_a_name_that_is_taken(command: CommandLine, name: str) -> None:
    made = command("doc", "create", name, "--data", '{"a": 1}', "--ttl=60").value
    assert (made["data"], made["unique_name"]) == ({"a": 1}, name)
    assert made["date_expires"] is not None
    refused = command("doc", "create", name)
    assert (refused.status, "status 409" in refused.err) == (1, True)
    assert command("doc", "create").value["unique_name"] is None
    assert command("doc", "ttl", name, "0").value["date_expires"] is None


def test_patch_is_a_merge_patch_or_a_json_patch(command: CommandLine, name: str) -> None:
    first = command("doc", "set", name, '{"a": 1, "b": {"c": 2}}').value
    merged = command("doc", "patch", name, '{"a": null, "b": {"d": 3}}').value
    assert merged["data"] == {"b": {"c": 2, "d": 3}}
    operations = '[{"op": "move", "from": "/b/c", "path": "/e"}]'
    assert command("doc", "patch", name, operations).value["data"] == {"b": {"d": 3}, "e": 2}
    stale = command("doc", "patch", name, "{}", "--if-match", first["revision"])
    assert (stale.status, "status 412" in stale.err) == (1, True)
    unfit = command("doc", "patch", name, '[{"op": "remove", "path": "/nothing"}]')
    assert unfit.status == 1
    for wrong in ("1", '"text"', "no JSON"):
        assert command("doc", "patch", name, wrong).status == 2


def test_increment_adds(command: CommandLine, name: str) -> None:
    command("doc", "set", name, '{"n": 1, "a/b": 1}')
    assert command("doc", "increment", name, "n").value["data"]["n"] == 2
    assert command("doc", "increment", name, "n", "-3").value["data"]["n"] == -1
    assert command("doc", "increment", name, "a/b", "0.5").value["data"]["a/b"] == 1.5
    assert command("doc", "increment", name, "/new", "7").value["data"]["new"] == 7


def test_ls_by_prefix_and_limit(command: CommandLine, name: str) -> None:
    for number in range(3):
        command("doc", "set", f"{name}{number}", "{}")
    listed = command("doc", "ls", "--prefix", name, "--page-size=2").lines
    assert sorted(each["unique_name"] for each in listed) == [f"{name}{n}" for n in range(3)]
    assert len(command("doc", "ls", "--prefix", name, "--limit=2").lines) == 2


def test_ls_lets_the_server_look_for_the_prefix(
    command: CommandLine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = []
    fetch = Collection.page

    def page(self: Collection, query: Any) -> Any:
        queries.append(dict(query))
        return fetch(self, query)

    monkeypatch.setattr(Collection, "page", page)
    for type_ in ("doc", "map", "list", "stream"):
        assert command(type_, "ls", "--prefix", name).status == 0
        assert queries.pop(0)["NamePrefix"] == name
        queries.clear()


def test_rm_without_a_terminal_needs_yes(command: CommandLine, name: str) -> None:
    command("doc", "set", name, "{}")
    refused = command("doc", "rm", name)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1 and "--yes" in refused.err
    assert command("doc", "get", name).status == 0


@pytest.mark.parametrize(
    ("url", "right"), [("https", "this port speaks plain HTTP: use http://127.0.0.1:")]
)
def test_tls_to_a_plain_port_says_so(
    command: CommandLine, server: RunningServer, url: str, right: str
) -> None:
    for verb in ("get", "watch"):
        outcome = command("doc", verb, "x", "--url", server.url.replace("http", url))
        assert (outcome.status, outcome.out) == (3, "")
        assert right in outcome.err and outcome.err.count("\n") == 1
