"""`syncline export` and `import` of lists, maps and streams, between real servers."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.api import DocumentsApi
from support.command import CommandLine
from support.http import Ask, HttpServer, Reply, forwarding, json_reply
from support.server import SYNCLINE, RunningServer, clean_environ
from support.service_api import ServiceApi, filled
from support.transfer import counts
from syncline_protocol import dates


@pytest.fixture
def old(source: RunningServer) -> Iterator[ServiceApi]:
    """A service to read from."""
    with closing(ServiceApi(source)) as service:
        yield service


@pytest.fixture
def new(target: RunningServer) -> Iterator[ServiceApi]:
    """A service to write to."""
    with closing(ServiceApi(target)) as service:
        yield service


@pytest.fixture
def copying(between: CommandLine, old: ServiceApi, new: ServiceApi) -> Iterator[CommandLine]:
    """The command line, with both services."""
    between.environ |= {"SYNCLINE_SERVICE": new.sid, "SYNCLINE_FROM_SERVICE": old.sid}
    yield between


def seconds_left(resource: Any) -> float:
    return (dates.parse(resource["date_expires"]) - datetime.now(UTC)).total_seconds()


def test_everything_is_copied_from_a_server(
    copying: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    records = filled(old)

    assert copying("import").value == counts(created=records)

    assert new.contents() == old.contents()
    for path in (
        "Lists/long",
        "Streams/cursors",
        "Maps/a%2Fb%20%C3%BC/Items/brief",
        next(
            each["url"] for each in new.all("Lists", "lists") if not each["unique_name"]
        ).partition(f"{new.sid}/")[2],
    ):
        assert seconds_left(new.call("GET", path)) == pytest.approx(3600, abs=60)
    assert new.call("GET", "Lists/empty")["date_expires"] is None


def test_everything_is_copied_by_a_file(
    copying: CommandLine, old: ServiceApi, new: ServiceApi, tmp_path: Path
) -> None:
    records = filled(old)
    from_old = {
        "SYNCLINE_URL": copying.environ["SYNCLINE_FROM_URL"],
        "SYNCLINE_SERVICE": old.sid,
        "SYNCLINE_ACCOUNT_SID": copying.environ["SYNCLINE_FROM_ACCOUNT_SID"],
        "SYNCLINE_AUTH_TOKEN": copying.environ["SYNCLINE_FROM_AUTH_TOKEN"],
    }
    exported = copying("export", "all.jsonl", environ=from_old)
    assert exported.value == {"exported": records}
    lines = [orjson.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    assert lines[-1]["end"] == {
        "documents": 0,
        "list": 3,
        "list_item": 250,
        "list_permission": 1,
        "map": 4,
        "map_item": 254,
        "map_permission": 1,
        "stream": 1,
    }

    outcome = copying("import", "all.jsonl", environ={"SYNCLINE_FROM_URL": ""})

    assert outcome.value == counts(created=records)
    assert new.contents() == old.contents()


def test_a_second_run_copies_what_was_added(
    copying: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    records = filled(old, 5)
    assert copying("import").value == counts(created=records)
    old.add("Lists/long", {"added": True})
    old.add("Maps/small0", {"added": True}, Key="later")
    new.call("POST", "Maps/small0/Items/only", data={"Data": '{"changed": "here"}'})

    assert copying("import").value == counts(created=2, skipped=records)

    contents = new.contents()
    assert contents["Lists/long"] == old.contents()["Lists/long"]
    assert ("later", {"added": True}) in contents["Maps/small0"]
    assert ("only", {"changed": "here"}) in contents["Maps/small0"]


def test_replace_makes_lists_and_items_as_they_are_in_the_source(
    copying: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    filled(old, 5)
    copying("import")
    old.call("POST", "Lists/long/Items/0", data={"Data": '{"changed": true}'})
    old.call("POST", "Maps/small0/Items/only", data={"Data": '{"changed": true}'})
    old.call("POST", "Maps/a%2Fb%20%C3%BC/Items/brief", data={"Ttl": "0"})

    again = copying("import", "--on-conflict=replace").value

    assert again["failed"] == again["skipped"] == 0
    assert new.contents() == old.contents()
    assert new.call("GET", "Maps/a%2Fb%20%C3%BC/Items/brief")["date_expires"] is None


def test_a_list_of_others_is_left_as_it_is(
    copying: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    for service, data in ((old, {"from": "there"}), (new, {"from": "here"})):
        service.call("POST", "Lists", data={"UniqueName": "both"})
        service.add("Lists/both", data)

    assert copying("import").value == counts(skipped=2)
    assert new.contents()["Lists/both"] == [(None, {"from": "here"})]
    failed = copying("import", "--on-conflict=fail")
    assert failed.status == 1
    assert failed.err.count("\n") == 1
    assert "The target already has it." in failed.err


def test_a_list_that_was_under_way_in_a_killed_run_is_continued(
    copying: CommandLine, old: ServiceApi, new: ServiceApi, target: RunningServer, tmp_path: Path
) -> None:
    """The last batch before the death is applied, but its answer is lost."""
    filled(old, 450)
    forward, batches = forwarding(target.url), 0
    running: list[subprocess.Popen[bytes]] = []

    def kill_at_third_batch(ask: Ask) -> Reply | None:
        nonlocal batches
        reply = forward(ask)
        if ask.target.endswith("/Batch") and "/Lists/" in ask.target:
            batches += 1
            if batches == 3:
                running[0].kill()
                running[0].wait()
                return None
        return reply

    with HttpServer(kill_at_third_batch) as proxy:
        environ = {**copying.environ, "SYNCLINE_URL": proxy.url}
        process = subprocess.Popen(
            [SYNCLINE, "import"],
            env=clean_environ(environ),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        assert process.wait(60) == -signal.SIGKILL
        arrived = len(new.all("Lists/long/Items", "items"))
        assert 0 < arrived < 449

        # The same state file, which names the address of the proxy.
        outcome = copying("import", environ={"SYNCLINE_URL": proxy.url})
        assert outcome.value["failed"] == 0
    assert new.contents() == old.contents()


def test_a_lost_answer_adds_no_item_twice(
    copying: CommandLine, old: ServiceApi, new: ServiceApi, target: RunningServer
) -> None:
    records = filled(old, 250)
    forward, lost = forwarding(target.url), set[str]()

    def lose_each_first(ask: Ask) -> Reply | None:
        reply = forward(ask)
        key = ask.headers.get("Idempotency-Key", "")
        if ask.target.endswith("/Batch") and key not in lost:
            lost.add(key)
            return None
        return reply

    with HttpServer(lose_each_first) as proxy:
        outcome = copying("import", environ={"SYNCLINE_URL": proxy.url})
    assert outcome.value == counts(created=records)
    assert new.contents() == old.contents()


def test_a_target_without_batches_gets_single_items(
    copying: CommandLine, old: ServiceApi, new: ServiceApi, target: RunningServer
) -> None:
    records, forward = filled(old, 5), forwarding(target.url)

    def without_batches(ask: Ask) -> Reply | None:
        if ask.target.endswith("/Batch"):
            return json_reply(404, {"code": 20404, "status": 404, "message": "Not found"})
        return forward(ask)

    with HttpServer(without_batches) as proxy:
        environ = {"SYNCLINE_URL": proxy.url}
        assert copying("import", environ=environ).value == counts(created=records)
        assert new.contents() == old.contents()
        old.call("POST", "Lists/long/Items/0", data={"Data": '{"changed": true}'})
        copying("import", "--on-conflict=replace", environ=environ)
    assert new.contents() == old.contents()


def test_one_bad_item_does_not_stop_the_others(
    copying: CommandLine, new: ServiceApi, tmp_path: Path
) -> None:
    sid = "MP" + "0" * 32
    lines: list[Any] = [
        {"type": "map", "sid": sid, "unique_name": "mixed"},
        {"type": "map_item", "map_sid": sid, "key": "good", "data": {}},
        {"type": "map_item", "map_sid": sid, "key": "large", "data": {"x": "y" * 20_000}},
        {"type": "map_item", "map_sid": sid, "key": "null", "data": None},
        {"type": "map_item", "map_sid": sid, "key": "late", "data": {}},
        {"type": "map_item", "map_sid": "MP" + "1" * 32, "key": "lost", "data": {}},
        {"type": "map_item", "map_sid": sid, "key": "..", "data": {}},
        {"type": "other", "data": {}},
        {"type": "document", "unique_name": "a document", "data": {}},
        {"end": {"documents": 1, "map": 1, "map_item": 6, "other": 1}},
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))

    outcome = copying("import", "mixed.jsonl", "-v", environ={"SYNCLINE_FROM_URL": ""})

    assert outcome.status == 1
    assert outcome.lines[-1] == counts(created=4, failed=5)
    assert [key for key, _ in new.contents()["Maps/mixed"]] == ["good", "late"]
    for line in ("line 3: ", "line 4: ", "line 6: ", "line 7: ", "line 8: "):
        assert line in outcome.err
    assert {"map", "map_item", "document"} <= {key for line in outcome.lines for key in line}


def test_a_token_exports_all_but_the_permissions(
    copying: CommandLine, old: ServiceApi, source: RunningServer
) -> None:
    records = filled(old, 5)
    environ = {
        "SYNCLINE_URL": source.url,
        "SYNCLINE_SERVICE": old.sid,
        "SYNCLINE_TOKEN": source.token("alice", service=old.sid),
    }
    exported = copying("export", "all.jsonl", environ=environ)
    assert exported.value == {"exported": records - 2}
    assert "permissions were not exported" in exported.err


def test_documents_and_others_share_an_import(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create(UniqueName="same name", Data="{}")
    between.environ["SYNCLINE_FROM_SERVICE"] = there.fetch("same name")["service_sid"]
    assert between("import").value["created"] >= 1
    assert here.fetch("same name")["data"] == {}


def test_a_token_imports_all_but_the_permissions(
    copying: CommandLine, old: ServiceApi, new: ServiceApi, target: RunningServer
) -> None:
    records = filled(old, 3)
    environ = {
        "SYNCLINE_TOKEN": target.token("alice", service=new.sid),
        "SYNCLINE_ACCOUNT_SID": "",
        "SYNCLINE_AUTH_TOKEN": "",
    }
    outcome = copying("import", environ=environ)
    assert outcome.status == 1
    assert outcome.lines == [counts(created=records - 2, failed=2)]
    assert outcome.err.count("permission") >= 2
