"""`syncline import` that keeps the SIDs of lists, maps and streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.command import CommandLine
from support.server import RunningServer
from support.service_api import ServiceApi, filled
from support.transfer import counts

PLURALS = ("Lists", "Maps", "Streams")


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
def keeping(between: CommandLine, old: ServiceApi, new: ServiceApi) -> CommandLine:
    """The command line, with both services."""
    between.environ |= {"SYNCLINE_SERVICE": new.sid, "SYNCLINE_FROM_SERVICE": old.sid}
    return between


def sids(service: ServiceApi) -> dict[str, str | None]:
    return {
        each["sid"]: each["unique_name"]
        for plural in PLURALS
        for each in service.all(plural, plural.lower())
    }


def test_every_object_keeps_its_sid(keeping: CommandLine, old: ServiceApi, new: ServiceApi) -> None:
    records = filled(old, 150)
    document = old.call("POST", "Documents", data={"Data": "{}"})["sid"]

    assert keeping("import", "--keep-sids").value == counts(created=records + 1)

    assert sids(new) == sids(old)
    assert new.contents() == old.contents()
    assert new.call("GET", f"Documents/{document}")["sid"] == document
    for sid, name in sids(old).items():
        plural = {"ES": "Lists", "MP": "Maps", "TO": "Streams"}[sid[:2]]
        address = sid if name is None else name.replace("/", "%2F")
        changed = new.call("POST", f"{plural}/{address}", data={"Ttl": "60"})
        assert (changed["sid"], changed["unique_name"]) == (sid, name)


def test_an_export_carries_the_sids(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi, tmp_path: Path
) -> None:
    records = filled(old, 5)
    from_old = {
        "SYNCLINE_URL": keeping.environ["SYNCLINE_FROM_URL"],
        "SYNCLINE_SERVICE": old.sid,
        "SYNCLINE_ACCOUNT_SID": keeping.environ["SYNCLINE_FROM_ACCOUNT_SID"],
        "SYNCLINE_AUTH_TOKEN": keeping.environ["SYNCLINE_FROM_AUTH_TOKEN"],
    }
    assert keeping("export", "all.jsonl", environ=from_old).status == 0
    outcome = keeping("import", "all.jsonl", "--keep-sids", environ={"SYNCLINE_FROM_URL": ""})
    assert outcome.value == counts(created=records)
    assert sids(new) == sids(old)
    assert new.contents() == old.contents()


def test_a_second_run_carries_what_is_new_or_was_removed(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    records = filled(old, 5)
    assert keeping("import", "--keep-sids").value == counts(created=records)
    new.call("DELETE", "Maps/small0")
    new.call("DELETE", "Lists/long")
    gone = 2 + (4 + 2)  # a map with an item; a list with four items and a permission
    added = old.call("POST", "Maps", data={"UniqueName": "new"})["sid"]

    again = keeping("import", "--keep-sids").value

    assert again == counts(created=gone + 1, skipped=records - gone)
    assert added in sids(new)
    assert sids(new) == sids(old)
    assert new.contents() == old.contents()


def test_a_run_without_its_state_finds_the_copies(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi
) -> None:
    filled(old, 5)
    keeping("import", "--keep-sids")
    before = sids(new)

    outcome = keeping("import", "--keep-sids", "--state=another.state")

    assert outcome.value["created"] == outcome.value["failed"] == 0
    assert sids(new) == before == sids(old)
    assert new.contents() == old.contents()


@pytest.mark.parametrize("plural", PLURALS)
def test_what_has_the_name_under_another_sid_fails(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi, plural: str
) -> None:
    old.call("POST", plural, data={"UniqueName": "both"})
    sid = new.call("POST", plural, data={"UniqueName": "both"})["sid"]
    for policy in ("skip", "replace", "fail"):
        outcome = keeping("import", "--keep-sids", f"--on-conflict={policy}")
        assert outcome.lines == [counts(failed=1)]
        assert "with the unique name 'both' already exists." in outcome.err
    assert sids(new) == {sid: "both"}


@pytest.mark.parametrize("plural", PLURALS)
def test_what_came_without_its_sid_before_fails(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi, plural: str
) -> None:
    old.call("POST", plural)
    keeping("import")
    [sid] = sids(new)
    outcome = keeping("import", "--keep-sids")
    assert outcome.lines == [counts(failed=1)]
    assert f"The target has it under another SID, {sid}: remove it there first." in outcome.err
    assert list(sids(new)) == [sid]


def test_a_token_cannot_keep_sids(
    keeping: CommandLine, old: ServiceApi, new: ServiceApi, target: RunningServer
) -> None:
    old.call("POST", "Maps")
    environ = {
        "SYNCLINE_TOKEN": target.token("alice", service=new.sid),
        "SYNCLINE_ACCOUNT_SID": "",
        "SYNCLINE_AUTH_TOKEN": "",
    }
    outcome = keeping("import", "--keep-sids", environ=environ)
    assert outcome.status == 1
    assert "Only Basic credentials may choose the Sid of a map" in outcome.err
    assert sids(new) == {}
