"""Whether observers on the wires of clients receive items in time, and only what they asked for."""

from __future__ import annotations

import pytest

from support.item_histories import (
    FIRST,
    OBSERVER,
    OTHER,
    added,
    changed,
    command,
    evidence_of,
    gone,
    missed,
    opened,
    read,
    received,
    state,
    wrote,
)
from syncline_tools.verify.items.checks_complete import check_item_complete
from syncline_tools.verify.items.checks_delivery import (
    check_item_fresh,
    check_item_parts,
    check_item_replies,
)
from syncline_tools.verify.items.checks_events import check_item_converged, check_item_order
from syncline_tools.verify.items.checks_lives import check_messages
from syncline_tools.verify.items.checks_revisions import check_item_removals
from syncline_tools.verify.items.checks_writes import check_item_origin
from syncline_tools.verify.items.records import ItemsAnswered
from syncline_tools.verify.records import Outcome

A, B, C = (FIRST + 100 * number for number in (1, 2, 3))

COPY = opened(0.5, FIRST)


class TestFresh:
    WRITTEN = wrote(1, 1, "k", A)

    def test_it_comes_in_time(self) -> None:
        fresh = check_item_fresh(
            evidence_of(*self.WRITTEN, COPY, changed(1.1, FIRST, added("k", A)), wire="sse")
        )

        assert (fresh.examined, fresh.findings) == (1, ())

    @pytest.mark.parametrize("late", [(), (changed(9, FIRST, added("k", A, 1)),)])
    def test_it_does_not_come_in_time(self, late: tuple[()]) -> None:
        (finding,) = check_item_fresh(evidence_of(*self.WRITTEN, COPY, *late, wire="sse")).findings

        assert f"it did not have revision {A} of item k" in finding.text

    def test_of_a_part_only_its_items_count(self) -> None:
        other = evidence_of(*self.WRITTEN, COPY, prefix="tally-", wire="sse")

        assert not check_item_fresh(other).examined

    def test_a_failover_may_lose_what_was_never_acknowledged(self) -> None:
        seen = [COPY, changed(1, FIRST, added("k", A, 1), client=OTHER)]

        assert check_item_fresh(evidence_of(*seen, wire="sse")).findings
        assert not check_item_fresh(evidence_of(*seen, command(0.9, 0.5), wire="sse")).findings

    def test_an_observer_at_the_store_is_not_judged(self) -> None:
        assert not check_item_fresh(evidence_of(*self.WRITTEN, COPY)).examined


class TestParts:
    def test_an_item_of_another_part(self) -> None:
        event = changed(1, FIRST, added("tally-1", A, 1), added("k", B, 2))

        assert not check_item_parts(evidence_of(COPY, event, prefix="")).examined
        (finding,) = check_item_parts(evidence_of(COPY, event, prefix="tally-")).findings
        assert "item k" in finding.text

    def test_it_ends_with_the_items_of_its_part(self) -> None:
        final = read(5, state("tally-1", A, 1), state("k", B, 2), revision=B, final=True)
        event = changed(1, FIRST, added("tally-1", A, 1))

        assert not check_item_converged(evidence_of(COPY, event, final, prefix="tally-")).findings
        (finding,) = check_item_converged(evidence_of(COPY, final, prefix="tally-")).findings
        assert "item tally-1 is missing" in finding.text


class TestReplies:
    def test_the_reply_comes_first(self) -> None:
        own = wrote(1, 1, "k", A, client=OBSERVER, connection=1)

        check = check_item_replies(evidence_of(*own, COPY, changed(1, FIRST, added("k", A, 1))))
        assert (check.examined, check.findings) == (1, ())

    def test_the_event_comes_first(self) -> None:
        own = wrote(1, 1, "k", A, client=OBSERVER, connection=1)

        early = evidence_of(COPY, changed(0.9995, FIRST, added("k", A, 1)), *own)
        assert check_item_replies(early).findings

    def test_the_message_comes_first(self) -> None:
        own = wrote(1, 1, "", None, do="publish", client=OBSERVER, connection=1)

        early = evidence_of(received(0.9995, 1), *own, type_="stream")
        assert check_item_replies(early).findings

    def test_a_reply_on_another_connection_may_be_later(self) -> None:
        own = wrote(1, 1, "k", A, client=OBSERVER, connection=2)

        early = evidence_of(COPY, changed(0.9995, FIRST, added("k", A, 1)), *own)
        assert not check_item_replies(early).examined


class TestComplete:
    """Of a wire that does not name the revision before, another observer shows what is missing."""

    OTHERS = [
        changed(3, FIRST, added("k", A, 1), client=OTHER),
        changed(3.1, A, added("l", B, 2), client=OTHER),
    ]

    def test_it_has_what_others_have(self) -> None:
        seen = [COPY, changed(3, FIRST, added("k", A, 1)), changed(3.1, A, added("l", B, 2))]

        assert not check_item_complete(evidence_of(*self.OTHERS, *seen, wire="twilsock")).findings

    def test_it_lacks_a_change(self) -> None:
        seen = [COPY, changed(3.1, FIRST, added("l", B, 2))]

        (finding,) = check_item_complete(evidence_of(*self.OTHERS, *seen, wire="twilsock")).findings
        assert finding.text == f"after {FIRST} it received {B}, and not {A} of item k"

    def test_it_lacks_a_removal(self) -> None:
        others = [
            changed(3, FIRST, added("k", A, 1), client=OTHER),
            changed(3.1, A, gone("k", B), client=OTHER),
            changed(3.2, B, added("l", C, 2), client=OTHER),
        ]
        seen = [COPY, changed(3, FIRST, added("k", A, 1)), changed(3.2, A, added("l", C, 2))]

        (finding,) = check_item_complete(evidence_of(*others, *seen, wire="twilsock")).findings
        assert finding.text == f"after {A} it received {C}, and not {B} of item k"

    def test_it_lacks_a_change_of_its_part(self) -> None:
        of_part = [COPY, changed(3.1, FIRST, added("l", B, 2))]

        assert not check_item_complete(
            evidence_of(*self.OTHERS, *of_part, wire="native", prefix="l")
        ).findings


class TestOrder:
    def test_a_change_comes_again_in_an_event_with_others(self) -> None:
        seen = [COPY, changed(1, FIRST, added("k", A, 1))]
        again = changed(2, A, added("k", A, 1), added("l", B, 2))

        (finding,) = check_item_order(evidence_of(*seen, again, wire="native")).findings
        assert finding.text == f"it received revision {A} after {A}"


class TestMissed:
    SENT = [*wrote(1, 1, "", None, do="publish"), *wrote(2, 2, "", None, do="publish")]

    def test_what_the_server_counts_is_not_missing(self) -> None:
        seen = [COPY, received(2, 2)]

        assert check_messages(
            evidence_of(*self.SENT, *seen, type_="stream", wire="native")
        ).findings
        assert not check_messages(
            evidence_of(*self.SENT, *seen, missed(1.5, 1), type_="stream", wire="native")
        ).findings

    def test_only_from_where_it_had_the_stream_open(self) -> None:
        late = [opened(1.5, FIRST), received(2, 2)]

        assert not check_messages(
            evidence_of(*self.SENT, *late, type_="stream", wire="native")
        ).findings


class TestLosses:
    """What was seen, and lost by a failover before its writer had an answer."""

    def test_its_write_is_sent_again_and_refused(self) -> None:
        invoked, _ = wrote(1, 1, "k", A)
        answer = ItemsAnswered(at=3, write=1, outcome=Outcome.REFUSED)
        refused = [invoked, answer, COPY, changed(1.5, FIRST, added("k", A, 1))]

        assert check_item_origin(evidence_of(*refused)).findings
        assert not check_item_origin(evidence_of(*refused, command(1.2, 0.5))).findings

    def test_its_removal_is_sent_again_and_acknowledged_later(self) -> None:
        seen = [COPY, changed(1, FIRST, added("k", A, 1)), changed(2, A, gone("k", B))]
        again = [*wrote(2, 5, "k", C, do="remove"), read(3, state("k", A, 1))]

        assert check_item_removals(evidence_of(*seen, *again)).findings
        assert not check_item_removals(evidence_of(*seen, *again, command(2.1, 0.5))).findings
        kept = wrote(2, 2, "k", B, do="remove")
        late = evidence_of(*seen, *kept, read(3, state("k", A, 1)), command(2.1, 0.5))
        assert check_item_removals(late).findings
