from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.command import CommandLine
from support.keys import Key, KeysApi, until
from support.server import SYNCLINE, RunningServer, clean_environ
from support.terminal import on_terminal

UNKNOWN = f"SK{'9' * 32}"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose keys are those of these tests alone."""
    with RunningServer(tmp_path_factory.mktemp("keys") / "data") as server:
        yield server


@pytest.fixture
def run(command: CommandLine, own: RunningServer) -> CommandLine:
    """The command line, with the server's URL and data directory."""
    command.environ = {"SYNCLINE_URL": own.url, "SYNCLINE_DATA_DIR": str(own.data_dir)}
    return command


async def works(own: RunningServer, key: Key) -> bool:
    """Whether the server takes a token that the key signs."""
    headers = {"Authorization": f"Bearer {key.token(own)}"}
    async with httpx2.AsyncClient(base_url=own.url, headers=headers, verify=False) as http:
        return (await http.get("/v1/Services/default/Documents")).status_code == 200


async def test_a_key_is_added_used_listed_and_revoked(run: CommandLine, own: RunningServer) -> None:
    added = run("keys", "add", "--name", "the back end")
    made = added.value
    assert made["friendly_name"] == "the back end" and not made["login_only"]
    assert "cannot be shown again" in added.err and made["secret"] not in added.err
    key = Key(made["sid"], made["secret"])
    await until(lambda: works(own, key))

    listed = run("keys", "list")
    assert made["secret"] not in listed.out
    made.pop("secret")
    assert made in listed.lines

    assert run("keys", "revoke", key.sid, "--yes").value == {"revoked": key.sid}
    assert not await works(own, key)
    assert key.sid not in run("keys", "list").out


def test_as_a_process_of_its_own_it_takes_its_login_from_the_environment(
    own: RunningServer,
) -> None:
    account, auth_token = own.basic
    environ = clean_environ(
        {
            "SYNCLINE_URL": own.url,
            "SYNCLINE_ACCOUNT_SID": account,
            "SYNCLINE_AUTH_TOKEN": auth_token,
        }
    )

    def syncline(*arguments: str) -> Any:
        ended = subprocess.run([SYNCLINE, "keys", *arguments], env=environ, capture_output=True)
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]

    [made] = syncline("add", "--login-only")
    assert made["login_only"]
    assert made["sid"] in [key["sid"] for key in syncline("list")]
    assert syncline("get", made["sid"])[0]["login_only"] is True
    assert syncline("revoke", made["sid"], "--yes") == [{"revoked": made["sid"]}]


def test_people_see_a_table_with_whole_sids(own: RunningServer) -> None:
    environ = clean_environ({"SYNCLINE_URL": own.url, "SYNCLINE_DATA_DIR": str(own.data_dir)})

    def syncline(*arguments: str) -> str:
        status, written = on_terminal("keys", *arguments, environ=environ)
        assert status == 0, written
        return re.sub(r"\x1b\[[0-9;]*m", "", written)

    made = syncline("add", "--name", "\x1b[31mred " + "long " * 30, "--login-only")
    assert "\x1b" not in made and "cannot be shown again" in made
    [sid] = re.findall(r"sid +(SK[0-9a-f]{32})\n", re.sub(" +\n", "\n", made))
    assert re.search(r"login_only +true", made) and re.search(r"secret +[\w-]{43}", made)
    [row] = [line for line in syncline("list").splitlines() if sid in line]
    assert "logins" in row and "tokens" not in row
    assert sid in syncline("revoke", sid, "--yes")


def test_all_pages_are_listed(
    run: CommandLine, own: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline_server.cli.keys.PAGE_SIZE", 2)
    with KeysApi(own) as keys:
        made = [keys.add(login_only=True).sid for _ in range(5)]
        listed = [key["sid"] for key in run("keys", "list").lines]
        assert listed == sorted(listed) and set(made) < set(listed)
        for sid in made:
            keys.revoke(sid)


def test_a_key_that_is_unknown_cannot_be_revoked(run: CommandLine) -> None:
    outcome = run("keys", "revoke", UNKNOWN, "--yes")
    assert (outcome.status, outcome.out) == (1, "")
    assert "code 20404, status 404" in outcome.err


@pytest.mark.parametrize("sid", ["", "SK", UNKNOWN.lower(), f"AC{'9' * 32}", f"{UNKNOWN}\n"])
def test_what_is_no_sid_is_wrong_usage(run: CommandLine, sid: str) -> None:
    outcome = run("keys", "revoke", sid, "--yes")
    assert (outcome.status, outcome.out) == (2, "")
    assert "SK and 32 hexadecimal digits" in outcome.err


def test_a_name_that_is_too_long_is_refused(run: CommandLine) -> None:
    outcome = run("keys", "add", "--name", "x" * 256)
    assert (outcome.status, outcome.out) == (1, "")
    assert "code 54053, status 400" in outcome.err


def test_without_the_accounts_login_nothing_is_asked(command: CommandLine) -> None:
    key = {"SYNCLINE_API_KEY_SID": UNKNOWN, "SYNCLINE_API_KEY_SECRET": "secret"}
    outcome = command("keys", "list", environ=key | {"SYNCLINE_ACCOUNT_SID": f"AC{'9' * 32}"})
    assert (outcome.status, outcome.out) == (2, "")
    assert "the account's own login" in outcome.err


def test_another_machine_gets_no_login_that_was_not_meant_for_it(
    command: CommandLine, own: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data directory of the server here, in its default place, says nothing of that one."""
    monkeypatch.chdir(own.data_dir.parent)
    own.data_dir.with_name("syncline-data").symlink_to(own.data_dir)
    outcome = command("keys", "list", "--url", "http://192.0.2.1:8040")
    assert (outcome.status, outcome.out) == (2, "")
    assert command("keys", "list", "--url", own.url).status == 0
