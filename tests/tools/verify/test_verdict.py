"""Each promise, broken on purpose in the history of a real run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from support.verify import Outcome, altered, broken, doubts, without
from syncline_tools.verify.evidence import Evidence, Seen, Write
from syncline_tools.verify.records import (
    Answered,
    Ended,
    Injected,
    Invoked,
    Kind,
    Opened,
    Read,
    Record,
    Removed,
    Updated,
)
from syncline_tools.verify.records import Outcome as Result
from syncline_tools.verify.verdict import Conclusion, judge


@pytest.fixture
def records(recorded: Outcome) -> list[Record]:
    return recorded.records


@pytest.fixture
def evidence(records: list[Record]) -> Evidence:
    return Evidence.of(records)


def test_a_run_as_it_was_is_green(records: list[Record]) -> None:
    verdict = judge(records)

    assert broken(records) == set()
    assert verdict.green
    assert verdict.body["verdict"] == "green"


class TestConverged:
    def test_the_last_event_of_a_document_is_dropped(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        last = next(
            seen[-1] for seen in histories_of(evidence, Kind.COUNTER) if is_update(seen[-1])
        )

        assert broken(without(records, last)) == {"converged"}

    def test_a_document_never_could_be_opened(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        seen = next(histories_of(evidence, Kind.REGISTER))
        unseen = [record for record in records if not any(record is each for each in seen)]

        assert "converged" in broken(unseen)

    def test_an_end_that_never_was_is_reported(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        last = next(histories_of(evidence, Kind.COUNTER))[-1]
        end = Removed(
            at=last.at,
            client=last.client,
            document=last.document,
            connection=last.connection,
            revision=None,
            expired=None,
        )

        assert broken(after(records, last, end)) == {"converged"}


class TestRevisions:
    def test_a_revision_is_reported_with_other_content(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        event = next(each for each in events(evidence) if isinstance(each, Updated))

        assert broken(altered(records, event, content="other")) == {"revisions"}

    def test_two_writes_get_one_revision(self, records: list[Record], evidence: Evidence) -> None:
        first, second = next(pairwise(writes_of(evidence, Kind.EXPIRING)))
        answer = answered(second)

        assert "revisions" in broken(altered(records, answer, revision=first.revision))

    def test_a_later_write_gets_a_lower_revision(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        lowest = min(each.revision for each in evidence.created.values())
        write = list(writes_of(evidence, Kind.COUNTER))[-1]

        assert "revisions" in broken(altered(records, answered(write), revision=lowest))


class TestKept:
    def test_a_register_lacks_an_acknowledged_write(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        final = final_of(evidence, Kind.REGISTER)
        known = {write.invoked.write for write in evidence.acknowledged(final.document)}
        trail = list(trail_of(final))
        trail.remove(next(number for number in trail if number in known))

        assert broken(altered(records, final, data={"trail": trail})) == {"kept"}

    def test_a_register_has_a_write_twice(self, records: list[Record], evidence: Evidence) -> None:
        final = final_of(evidence, Kind.REGISTER)
        trail = trail_of(final)

        assert broken(altered(records, final, data={"trail": [trail[0], *trail]})) == {"kept"}

    def test_a_register_has_its_writes_in_another_order(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        final = final_of(evidence, Kind.REGISTER)
        second, first, *others = trail_of(final)

        assert broken(altered(records, final, data={"trail": [first, second, *others]})) == {"kept"}

    def test_a_document_that_nobody_removed_is_gone(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        final = final_of(evidence, Kind.COUNTER)

        gone = altered(records, final, revision=None, content=None, data=None)

        assert "kept" in broken(gone)

    def test_a_document_that_was_removed_is_there(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        final = final_of(evidence, Kind.REMOVED)
        created = evidence.created[final.document]

        assert "kept" in broken(
            altered(records, final, revision=created.revision, content=created.content, data={})
        )

    def test_the_last_acknowledged_revision_is_not_reached(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        final = final_of(evidence, Kind.COUNTER)
        created = evidence.created[final.document]

        back = altered(records, final, revision=created.revision, content=created.content)

        assert {"kept", "converged"} <= broken(back)


class TestCounters:
    @pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.TALLY])
    @pytest.mark.parametrize("by", [-1, 1])
    def test_an_increment_counts_twice_or_not_at_all(
        self, records: list[Record], evidence: Evidence, kind: Kind, by: int
    ) -> None:
        final = final_of(evidence, kind)
        assert final.data is not None
        # So that it does not depend on how this run went: all that was asked for was settled.
        settled = [
            replace(each, outcome=Result.ACKNOWLEDGED)
            if isinstance(each, Answered) and each.outcome is Result.UNKNOWN
            else each
            for each in records
        ]
        exact = len(Evidence.of(settled).acknowledged(final.document))

        assert "counters" not in broken(altered(settled, final, data={"n": exact}))
        assert "counters" in broken(altered(settled, final, data={"n": exact + by}))

    def test_an_unknown_increment_may_count_or_not(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        write = next(writes_of(evidence, Kind.COUNTER))
        answer = answered(write)

        unknown = altered(records, answer, outcome=Result.UNKNOWN, revision=None, content=None)

        assert broken(unknown) == set()


class TestOrder:
    def test_two_events_change_places(self, records: list[Record], evidence: Evidence) -> None:
        first, second = consecutive_updates(evidence)

        assert "order" in broken(swapped(records, first, second))

    def test_an_event_comes_twice(self, records: list[Record], evidence: Evidence) -> None:
        event, _ = consecutive_updates(evidence)

        assert broken(after(records, event, event)) == {"order"}

    def test_a_state_that_is_reported_again_is_none_twice(
        self, records: list[Record], evidence: Evidence
    ) -> None:
        event, _ = consecutive_updates(evidence)
        state = Opened(
            at=event.at,
            client=event.client,
            document=event.document,
            connection=event.connection + 1,
            revision=event.revision,
            content=event.content,
        )

        assert broken(after(records, event, state)) == set()

    def test_an_event_comes_after_the_end(self, records: list[Record], evidence: Evidence) -> None:
        seen = next(each for each in removals(evidence) if is_update(each[-2]))
        late = replace(seen[-2], at=seen[-1].at)

        assert "order" in broken(after(without(records, seen[-2]), seen[-1], late))


def test_an_event_comes_before_the_answer_that_caused_it(
    records: list[Record], evidence: Evidence
) -> None:
    write, event = next(own_events(evidence))
    answer = answered(write)

    assert broken(after(without(records, answer), event, answer)) == {"replies"}


def test_the_end_of_a_document_is_not_reported(records: list[Record], evidence: Evidence) -> None:
    seen = next(each for each in removals(evidence) if isinstance(each[-1], Removed))

    assert broken(without(records, seen[-1])) - {"fresh"} == {"removals"}


class TestExpiry:
    def test_a_document_is_gone_too_early(self, records: list[Record], evidence: Evidence) -> None:
        seen = next(
            each for each in histories_of(evidence, Kind.EXPIRING) if isinstance(each[-1], Removed)
        )
        created = evidence.created[seen[-1].document]

        assert broken(altered(records, seen[-1], at=created.at)) == {"expiry"}

    def test_a_document_is_there_too_late(self, records: list[Record], evidence: Evidence) -> None:
        read = next(each for each in evidence.reads if each.revision is None)
        created = evidence.created[read.document]
        there = altered(records, read, revision=created.revision, content=created.content)

        assert broken(there) == {"expiry"}


class TestEffect:
    def test_a_history_breaks_off(self, records: list[Record]) -> None:
        end = next(each for each in records if isinstance(each, Ended))

        assert "effect" in doubts(without(records, end))

    def test_nothing_was_written(self, records: list[Record]) -> None:
        idle = [each for each in records if not isinstance(each, Invoked | Answered)]

        assert "effect" in doubts(idle)

    def test_a_client_receives_nothing(self, records: list[Record]) -> None:
        deaf = [
            each
            for each in records
            if not (isinstance(each, Updated | Removed) and each.client == "native-1")
        ]

        assert "effect" in doubts(deaf)

    def test_a_command_did_nothing(self, records: list[Record]) -> None:
        failed = Injected(
            at=1, client=None, fault="command", seconds=0, detail="x (status 127)", failed=True
        )

        verdict = judge([failed, *records])

        assert "commands" in doubts([failed, *records])
        assert (verdict.conclusion, verdict.command_failed) == (Conclusion.INCONCLUSIVE, True)


def is_update(seen: Seen) -> bool:
    return isinstance(seen, Updated)


def histories_of(evidence: Evidence, kind: Kind) -> Iterator[list[Seen]]:
    """What a client saw of a document of that kind, of which it saw at least two things."""
    for (document, _), seen in evidence.seen.items():
        if evidence.created[document].kind is kind and len(seen) > 1:
            yield seen


def removals(evidence: Evidence) -> Iterator[list[Seen]]:
    """What a client saw of a document that was removed, and which it had open."""
    for seen in histories_of(evidence, Kind.REMOVED):
        if isinstance(seen[0], Opened):
            yield seen


def events(evidence: Evidence) -> Iterator[Updated | Removed]:
    for seen in evidence.seen.values():
        yield from (each for each in seen if isinstance(each, Updated | Removed))


def consecutive_updates(evidence: Evidence) -> tuple[Updated, Updated]:
    """Two events that no other thing came between."""
    for seen in histories_of(evidence, Kind.COUNTER):
        for first, second in pairwise(seen[:-1]):
            if isinstance(first, Updated) and isinstance(second, Updated):
                return first, second
    raise LookupError


def writes_of(evidence: Evidence, kind: Kind) -> Iterator[Write]:
    """Acknowledged writes to one document of that kind, with a revision."""
    for created in evidence.created.values():
        writes = [w for w in evidence.acknowledged(created.document) if w.revision is not None]
        if created.kind is kind and len(writes) > 1:
            return iter(writes)
    raise LookupError


def own_events(evidence: Evidence) -> Iterator[tuple[Write, Updated]]:
    """A write, and its event on the connection that it was made on."""
    for document in evidence.created:
        for write in evidence.acknowledged(document):
            client = write.invoked.client
            for each in evidence.seen.get((document, client), ()):
                if (
                    evidence.wires[client] == "native"
                    and isinstance(each, Updated)
                    and each.revision == write.revision
                    and write.invoked.connection == answered(write).connection == each.connection
                ):
                    yield write, each


def final_of(evidence: Evidence, kind: Kind) -> Read:
    """The last reading of a document of that kind that was written to several times."""
    for document, read in evidence.final.items():
        is_kind = evidence.created[document].kind is kind
        if is_kind and len(evidence.acknowledged(document)) > 2:
            return read
    raise LookupError


def trail_of(final: Read) -> list[int]:
    assert final.data is not None
    trail: list[int] = final.data["trail"]
    return trail


def answered(write: Write) -> Answered:
    assert write.answered is not None
    return write.answered


def after(records: Sequence[Record], place: Record, *added: Record) -> list[Record]:
    """A history in which something more happened, right after something else."""
    result: list[Record] = []
    for each in records:
        result.append(each)
        if each is place:
            result.extend(added)
    return result


def swapped(records: Sequence[Record], first: Record, second: Record) -> list[Record]:
    """A history in which two things happened in the other order."""
    places = {id(first): second, id(second): first}
    return [places.get(id(each), each) for each in records]
