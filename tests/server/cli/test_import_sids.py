"""`syncline import` that keeps the SIDs of documents, and of the service."""

from __future__ import annotations

import secrets

import pytest

from support.account import Account
from support.api import DocumentsApi
from support.command import CommandLine
from support.server import RunningServer
from support.transfer import contents, counts, everything, fill


def sids(api: DocumentsApi) -> dict[str, str | None]:
    return {document["sid"]: document["unique_name"] for document in everything(api)}


def test_every_document_keeps_its_sid(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 40, every=4)
    assert between("import", "--keep-sids").value == counts(created=40)
    assert sids(here) == sids(there)
    assert contents(here) == contents(there)
    for sid, name in sids(there).items():
        document = here.fetch(sid)
        headers = {"If-Match": document["revision"]}
        changed = here.call("POST", name or sid, data={"Data": '{"a":1}'}, headers=headers)
        assert changed.json()["sid"] == sid


def test_an_export_carries_the_sids(
    between: CommandLine, source: RunningServer, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 10, every=2)
    exporting = {"SYNCLINE_URL": source.url, "SYNCLINE_TOKEN": source.token()}
    assert between("export", "all.jsonl", environ=exporting).status == 0
    outcome = between("import", "all.jsonl", "--keep-sids", environ={"SYNCLINE_FROM_URL": ""})
    assert outcome.value == counts(created=10)
    assert sids(here) == sids(there)


@pytest.mark.parametrize("state", [[], ["--state", "another.state"]])
def test_a_second_run_carries_what_is_new_or_changed_or_was_removed(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi, state: list[str]
) -> None:
    fill(there, 8, every=2)
    between("import", "--keep-sids")
    *_, gone, changed = sids(there)
    there.call("POST", changed, data={"Data": '{"changed":true}'})
    here.call("DELETE", gone)
    new = there.create(UniqueName="new")["sid"]
    assert between("import", "--keep-sids", *state).value == counts(created=2, skipped=7)
    outcome = between("import", "--keep-sids", "--on-conflict=replace", *state)
    assert outcome.value == counts(replaced=9)
    assert sids(here) == sids(there) and new in sids(here)
    assert contents(here) == contents(there)


def test_what_is_removed_or_expires_frees_its_name(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    sid = there.create(UniqueName="prefs")["sid"]
    between("import", "--keep-sids")
    assert here.call("DELETE", sid).status_code == 204
    assert here.call("GET", "prefs").status_code == 404
    assert here.create(UniqueName="prefs")["sid"] != sid


def test_what_has_the_name_under_another_sid_fails(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create(UniqueName="both")
    before = here.create(UniqueName="both")
    for policy in ("skip", "replace", "fail"):
        outcome = between("import", "--keep-sids", f"--on-conflict={policy}")
        assert outcome.lines == [counts(failed=1)]
        assert "A document with the unique name 'both' already exists." in outcome.err
    assert everything(here) == [before]


def test_what_came_without_its_sid_before_fails(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create()
    between("import")
    [document] = everything(here)
    outcome = between("import", "--keep-sids")
    assert outcome.lines == [counts(failed=1)]
    assert f"The target has it under another SID, {document['sid']}" in outcome.err


def test_the_service_keeps_its_sid(
    between: CommandLine, target: RunningServer, source: RunningServer, there: DocumentsApi
) -> None:
    document = there.create(UniqueName="only")
    sid = document["service_sid"]
    run = ("import", "--from-service", sid, "--service", sid, "--create-service", "--keep-sids")
    assert between(*run).value == counts(created=1)
    assert between(*run).value == counts(skipped=1)
    with Account(target) as account:
        assert account.ok("GET", sid)["unique_name"] is None
    with DocumentsApi(target, target.token(service=sid), sid) as here:
        assert here.fetch(document["sid"])["service_sid"] == sid


def test_a_service_to_be_created_is_named_by_its_sid(between: CommandLine) -> None:
    for service in ("default", "IS1", f"ET{secrets.token_hex(16)}"):
        outcome = between("import", "--create-service", "--service", service)
        assert outcome.status == 2
        assert "--create-service needs --service IS…" in outcome.err


def test_a_token_cannot_keep_sids(
    between: CommandLine, there: DocumentsApi, target: RunningServer
) -> None:
    there.create()
    login = {
        "SYNCLINE_ACCOUNT_SID": "",
        "SYNCLINE_AUTH_TOKEN": "",
        "SYNCLINE_TOKEN": target.token(),
    }
    outcome = between("import", "--keep-sids", environ=login)
    assert outcome.status == 1
    assert "Only Basic credentials may choose the Sid" in outcome.err
