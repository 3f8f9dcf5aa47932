"""Expiry, by histories in which every moment is known."""

from __future__ import annotations

import pytest

from support.histories import COMMAND, DOCUMENT, created, evidence_of, fault, opened, removed
from syncline_tools.verify.checks_run import (
    CLOCK_TOLERANCE,
    CLOCKS_APART,
    NOTIFIED_WITHIN,
    check_clocks,
    check_commands,
    check_expiry,
)
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.records import (
    Answered,
    Clocked,
    Connected,
    Injected,
    Invoked,
    Kind,
    Lost,
    Missing,
    Outcome,
    Read,
    Record,
    Removed,
)

CLIENT = "native-1"

CREATED = 1.0
PROLONGED = 2.0
EXPIRY = 4.0
"""The document is prolonged by two seconds then, and expires."""


def findings(*records: Record) -> list[str]:
    """What is found about a document that one client has open."""
    made = created(Kind.EXPIRING, at=CREATED, ttl=2)
    evidence = evidence_of(made, opened(CREATED), *records, end=20)
    return [finding.text for finding in check_expiry(evidence).findings]


def prolonged(outcome: Outcome = Outcome.ACKNOWLEDGED, answered: float = PROLONGED) -> list[Record]:
    return [
        Invoked(
            at=PROLONGED,
            write=1,
            client=CLIENT,
            document=DOCUMENT,
            do="ttl",
            connection=1,
            ttl=2,
        ),
        Answered(at=answered, write=1, outcome=outcome),
    ]


def expired(at: float) -> Removed:
    return removed(at, 9, expired=True)


def read(began: float, revision: int | None) -> Read:
    return Read(
        at=began, began=began, document=DOCUMENT, final=False, revision=revision, content=None
    )


def test_what_expires_in_time_is_good() -> None:
    assert findings(*prolonged(), expired(EXPIRY + 0.5), read(EXPIRY + 1, None)) == []


@pytest.mark.parametrize(
    "gone",
    [
        expired(EXPIRY - 1),
        Missing(at=EXPIRY - 1, client=CLIENT, document=DOCUMENT, connection=1),
        read(EXPIRY - 1, None),
    ],
)
def test_what_is_gone_before_its_expiry_is_found(gone: Record) -> None:
    assert "it was gone 1.00 s before its expiry" in findings(*prolonged(), gone, expired(EXPIRY))


def test_what_is_there_after_its_expiry_is_found() -> None:
    assert findings(*prolonged(), expired(EXPIRY), read(EXPIRY + 1, 2)) == [
        "it was there 1.00 s after its expiry"
    ]


def test_clocks_may_differ_a_little() -> None:
    early, late = EXPIRY - CLOCK_TOLERANCE / 2, EXPIRY + CLOCK_TOLERANCE / 2

    assert findings(*prolonged(), expired(early), read(late, 2)) == []


def test_a_subscriber_that_was_connected_is_notified_in_time() -> None:
    late = EXPIRY + NOTIFIED_WITHIN + 1

    assert findings(*prolonged(), expired(late)) == [
        f"its expiry was reported {NOTIFIED_WITHIN + 1:.2f} s late"
    ]
    assert findings(*prolonged()) == ["its expiry was not reported"]


@pytest.mark.parametrize(
    "excuse",
    [
        Lost(at=EXPIRY + 1, client=CLIENT, reason="", final=False),
        fault(EXPIRY, 1),
        fault(EXPIRY - 1, 2, kind=COMMAND, client=None),
    ],
)
def test_a_subscriber_that_had_a_fault_may_be_notified_later(excuse: Record) -> None:
    assert findings(*prolonged(), excuse, expired(EXPIRY + NOTIFIED_WITHIN + 1)) == []


def test_what_expires_while_a_fault_is_on_is_reported_after_it() -> None:
    swallowed = fault(EXPIRY - 1, 2, kind="blackhole")
    again = [
        Lost(at=EXPIRY + 1, client=CLIENT, reason="", final=False),
        Connected(at=EXPIRY + 2, client=CLIENT, connection=2),
    ]
    missing = Missing(at=EXPIRY + 3, client=CLIENT, document=DOCUMENT, connection=2)

    assert findings(*prolonged(), swallowed, *again, missing) == []
    assert findings(*prolonged(), swallowed, *again) == ["its expiry was not reported"]


def test_a_refused_write_prolongs_nothing() -> None:
    assert findings(*prolonged(Outcome.REFUSED), expired(CREATED + 2)) == []


def test_after_an_unknown_write_the_document_may_live_as_long_as_it_likes() -> None:
    unknown = prolonged(Outcome.UNKNOWN)

    assert findings(*unknown, expired(CREATED + 2)) == []
    assert findings(*unknown, read(15, 2)) == []


def test_the_life_is_counted_from_any_moment_of_the_write() -> None:
    slow = prolonged(answered=PROLONGED + 3)

    assert findings(*slow, expired(EXPIRY)) == []
    assert findings(*slow, read(EXPIRY + 3, 2), expired(EXPIRY + 3)) == []


class TestClocks:
    def test_the_clocks_of_server_and_store_are_compared(self) -> None:
        good = Clocked(at=1, server=1000.0, store=1000.0 + CLOCKS_APART, here=0)
        bad = Clocked(at=2, server=1000.0, store=1001.0 + CLOCKS_APART, here=0)

        check = check_clocks(Evidence.of([good, bad]))

        assert [finding.text for finding in check.findings] == [
            f"the server's clock was -{CLOCKS_APART + 1:.0f} s off the store's"
        ]

    def test_replies_without_a_date_show_nothing(self) -> None:
        check = check_clocks(Evidence.of([Clocked(at=1, server=None, store=1, here=0)]))

        assert (check.examined, check.findings) == (0, ())


def test_a_command_that_failed_breaks_no_promise() -> None:
    command = Injected(
        at=1, client=None, fault="command", seconds=1, detail="exit 3 (status 3)", failed=True
    )

    check = check_commands(Evidence.of([command]))

    assert [finding.text for finding in check.findings] == ["a command failed: exit 3 (status 3)"]
    assert not check.broken
