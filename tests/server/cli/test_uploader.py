"""What an import does with documents that the target has already."""

from __future__ import annotations

from support.api import DocumentsApi
from support.command import CommandLine
from support.transfer import contents, counts, everything, fill


def test_a_second_run_carries_only_what_is_new(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 20, every=2)
    assert between("import").value == counts(created=20)
    there.create(UniqueName="new", Data="{}")
    there.create(Data='{"new": true}')

    assert between("import").value == counts(created=2, skipped=20)
    assert contents(here) == contents(there)


def test_what_is_there_already_is_left_as_it_is(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create(UniqueName="both", Data='{"from": "there"}')
    before = here.create(UniqueName="both", Data='{"from": "here"}')

    assert between("import").value == counts(skipped=1)
    assert here.fetch("both") == before


def test_what_is_there_already_is_replaced_if_asked(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create(UniqueName="both", Data='{"from": "there"}')
    before = here.create(UniqueName="both", Data='{"from": "here"}', Ttl="600")

    assert between("import", "--on-conflict=replace").value == counts(replaced=1)

    after = here.fetch("both")
    assert after["data"] == {"from": "there"}
    assert after["sid"] == before["sid"]
    assert after["date_expires"] is None


def test_a_nameless_document_is_replaced_where_it_was_put(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    sid = there.create(Data='{"version": 1}')["sid"]
    between("import")
    there.call("POST", sid, data={"Data": '{"version": 2}'})

    assert between("import", "--on-conflict=replace").value == counts(replaced=1)
    assert contents(here) == contents(there)


def test_a_nameless_document_that_was_removed_here_is_made_again_only_by_replace(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    there.create(Data='{"version": 1}')
    between("import")
    [document] = everything(here)
    here.call("DELETE", document["sid"])

    assert between("import").value == counts(skipped=1)
    assert everything(here) == []
    assert between("import", "--on-conflict=replace").value == counts(created=1)
    assert contents(here) == contents(there)


def test_what_is_there_already_fails_if_asked(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    sid = there.create(UniqueName="both", Data="{}")["sid"]
    there.create(UniqueName="new", Data="{}")
    here.create(UniqueName="both", Data='{"from": "here"}')

    outcome = between("import", "--on-conflict=fail")

    assert outcome.status == 1
    assert outcome.lines == [counts(created=1, failed=1)]
    assert outcome.err == f"syncline: {sid} ('both'): The target already has it.\n"
