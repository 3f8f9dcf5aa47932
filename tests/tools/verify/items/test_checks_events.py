"""What observers of items receive, what expires, and messages."""

from __future__ import annotations

from support.item_histories import (
    FIRST,
    added,
    changed,
    command,
    evidence_of,
    gone,
    opened,
    read,
    received,
    replayed,
    state,
    wrote,
)
from syncline_tools.verify.items.checks_complete import check_item_complete
from syncline_tools.verify.items.checks_events import (
    check_item_converged,
    check_item_order,
    check_item_replay,
)
from syncline_tools.verify.items.checks_lives import check_item_expiry, check_messages

A, B, C = (FIRST + 100 * number for number in (1, 2, 3))

BOTH = [opened(0.5, FIRST), changed(1, FIRST, added("k", A, 1)), changed(2, A, added("l", B, 2))]


class TestOrder:
    def test_revisions_grow(self) -> None:
        assert not check_item_order(evidence_of(*BOTH)).findings

    def test_an_event_comes_twice(self) -> None:
        again = changed(3, A, added("l", B, 2))

        assert check_item_order(evidence_of(*BOTH, again)).findings

    def test_a_reading_is_older_than_the_one_before(self) -> None:
        reads = [read(1, state("k", B, 2)), read(2, state("k", A, 1))]

        assert check_item_order(evidence_of(*reads)).findings
        assert not check_item_order(evidence_of(*reads, command(1.1, 0.5))).findings


class TestComplete:
    def test_every_event_follows_the_one_before(self) -> None:
        page = read(3, state("k", A, 1), state("l", B, 2), revision=B)

        assert not check_item_complete(evidence_of(*BOTH, page)).findings

    def test_an_event_is_dropped(self) -> None:
        (finding,) = check_item_complete(evidence_of(BOTH[0], BOTH[2])).findings

        assert finding.text == f"after {FIRST} it received {B}, which follows {A}"

    def test_an_event_has_not_all_changes(self) -> None:
        page = read(3, state("k", A, 1), state("l", B, 2), state("m", A + 1, 3), revision=B)

        (finding,) = check_item_complete(evidence_of(*BOTH, page)).findings
        assert "item m is missing" in finding.text


class TestReplay:
    def test_it_leads_to_the_copy_of_now(self) -> None:
        replay = replayed(3, FIRST, B, added("k", A, 1), added("l", B, 2))

        assert check_item_replay(evidence_of(*BOTH, replay)).examined == 1
        assert not check_item_replay(evidence_of(*BOTH, replay)).findings

    def test_it_misses_a_change(self) -> None:
        replay = replayed(3, FIRST, B, added("l", B, 2))

        (finding,) = check_item_replay(evidence_of(*BOTH, replay)).findings
        assert "item k is missing" in finding.text

    def test_it_misses_a_removal(self) -> None:
        removal = changed(3, B, gone("k", C))
        replay = replayed(4, A, C, added("l", B, 2))

        (finding,) = check_item_replay(evidence_of(*BOTH, removal, replay)).findings
        assert "item k is there" in finding.text


class TestConverged:
    def test_the_last_event_is_dropped(self) -> None:
        final = read(5, state("k", A, 1), state("l", B, 2), revision=B, final=True)

        assert not check_item_converged(evidence_of(*BOTH, final)).findings
        (finding,) = check_item_converged(evidence_of(*BOTH[:2], final)).findings
        assert finding.text == f"it ended at {A}, and {B} is stored"


class TestExpiry:
    BRIEF = wrote(1, 1, "expiring-1", A, do="add", ttl=2)

    def test_it_is_there_until_then(self) -> None:
        reads = [read(2, state("expiring-1", A, 1)), read(4)]
        there = evidence_of(*self.BRIEF, *reads)

        assert check_item_expiry(there).examined == 1
        assert not check_item_expiry(there).findings

    def test_it_is_gone_before(self) -> None:
        assert check_item_expiry(evidence_of(*self.BRIEF, read(2))).findings

    def test_it_is_there_after(self) -> None:
        late = read(4, state("expiring-1", A, 1))

        assert check_item_expiry(evidence_of(*self.BRIEF, late)).findings

    def test_nobody_is_notified(self) -> None:
        seen = [opened(0.5, FIRST), changed(1, FIRST, added("expiring-1", A, 1))]

        (finding,) = check_item_expiry(evidence_of(*self.BRIEF, *seen)).findings
        assert "not notified" in finding.text


class TestMessages:
    SENT = [*wrote(1, 1, "", None, do="publish"), *wrote(2, 2, "", None, do="publish")]

    def test_each_comes_once(self) -> None:
        stream = evidence_of(*self.SENT, received(1, 1), received(2, 2), type_="stream")

        assert not check_messages(stream).findings

    def test_one_is_missing(self) -> None:
        stream = evidence_of(*self.SENT, received(2, 2), type_="stream")

        (finding,) = check_messages(stream).findings
        assert "did not receive message 1" in finding.text

    def test_one_comes_twice(self) -> None:
        twice = [received(1, 1), received(1.5, 1), received(2, 2)]

        assert check_messages(evidence_of(*self.SENT, *twice, type_="stream")).findings

    def test_they_come_in_another_order(self) -> None:
        disordered = [received(2, 2), received(3, 1)]

        assert check_messages(evidence_of(*self.SENT, *disordered, type_="stream")).findings

    def test_one_was_never_sent(self) -> None:
        wrong = [received(1, 1), received(2, 2), received(3, 9)]

        assert check_messages(evidence_of(*self.SENT, *wrong, type_="stream")).findings
