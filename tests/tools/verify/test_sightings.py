from __future__ import annotations

import pytest

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.figures import Figures, Spread
from syncline_tools.verify.records import (
    Answered,
    Created,
    Ended,
    Injected,
    Invoked,
    Joined,
    Kind,
    Opened,
    Outcome,
    Record,
    Removed,
    Updated,
)
from syncline_tools.verify.sightings import Sightings

CLIENT = "native-1"
DOCUMENT = "ET1"


def created() -> list[Record]:
    return [
        Joined(at=0, client=CLIENT, wire="native"),
        Created(
            at=0,
            document=DOCUMENT,
            kind=Kind.COUNTER,
            began=0,
            revision=1,
            content="1",
            ttl=None,
            followers=[CLIENT],
        ),
    ]


def opened(at: float, revision: int = 1) -> Opened:
    return Opened(
        at=at, client=CLIENT, document=DOCUMENT, connection=1, revision=revision, content="x"
    )


def updated(at: float, revision: int) -> Updated:
    return Updated(
        at=at, client=CLIENT, document=DOCUMENT, connection=1, revision=revision, content="x"
    )


def written(number: int, at: float, revision: int) -> list[Record]:
    """A write of somebody, acknowledged at that time."""
    return [
        Invoked(at=at, write=number, client="rest-1", document=DOCUMENT, do="patch", connection=1),
        Answered(
            at=at, write=number, outcome=Outcome.ACKNOWLEDGED, connection=1, revision=revision
        ),
    ]


def sightings_of(*records: Record) -> Sightings:
    return Sightings.of(Evidence.of([*created(), *records]), CLIENT)


def test_a_write_is_seen_with_the_first_state_that_is_not_older() -> None:
    sightings = sightings_of(
        opened(0.5), *written(1, 1, 10), *written(2, 2, 20), updated(4, 20), Ended(at=9, healed=8)
    )

    assert sightings.pairs == [(1, 4), (2, 4)]
    assert sightings.delays() == [3, 2]


def test_a_write_that_was_seen_before_its_answer_is_not_late() -> None:
    sightings = sightings_of(opened(0), updated(1, 10), *written(1, 2, 10), Ended(at=9, healed=8))

    assert sightings.pairs == [(2, 2)]


def test_what_is_never_seen_is_not_until_the_end() -> None:
    assert sightings_of(opened(0), *written(1, 1, 10), Ended(at=9, healed=8)).pairs == [(1, 9)]


def test_what_was_written_before_the_subscription_does_not_count() -> None:
    assert sightings_of(*written(1, 1, 10), opened(2, 10), Ended(at=9, healed=8)).pairs == []


def test_the_end_of_a_document_shows_all_that_was_written() -> None:
    end = Removed(at=3, client=CLIENT, document=DOCUMENT, connection=1, revision=None, expired=None)

    assert sightings_of(opened(0), *written(1, 1, 10), end, Ended(at=9, healed=8)).pairs == [(1, 3)]


def test_a_recovery_ends_when_all_that_was_acknowledged_is_seen() -> None:
    sightings = sightings_of(
        opened(0),
        *written(1, 1, 10),
        *written(2, 3, 20),
        updated(4, 10),
        updated(6, 20),
        Ended(at=9, healed=8),
    )

    assert sightings.recoveries([0.5, 2, 3.5, 7]) == [0, 2, 2.5, 0]


def test_staleness_grows_until_the_write_is_seen() -> None:
    sightings = sightings_of(opened(0), *written(1, 2, 10), updated(5, 10), Ended(at=8, healed=8))

    assert sightings.staleness(8, 4) == [0, 2, 3, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Spread(0, 0, 0, 0)),
        ([2.0], Spread(1, 2, 2, 2)),
        ([3.0, 1.0, 2.0], Spread(3, 2, 3, 3)),
        ([i / 1000 for i in range(1000)], Spread(1000, 0.4995, 0.99, 0.999)),
    ],
)
def test_a_spread_of_values(values: list[float], expected: Spread) -> None:
    assert Spread.of(values) == expected


def test_figures_count_writes_events_and_faults_and_say_how_long_each_took_to_be_seen() -> None:
    evidence = Evidence.of(
        [
            *created(),
            opened(0),
            Injected(at=0.5, client=CLIENT, fault="cut", seconds=1, detail=""),
            Injected(at=0.5, client="rest-1", fault="delay", seconds=9, detail=""),
            *written(1, 1, 10),
            Invoked(at=1, write=2, client="rest-1", document=DOCUMENT, do="patch", connection=1),
            Answered(at=2, write=2, outcome=Outcome.REFUSED, code=54103),
            Invoked(at=1, write=3, client="rest-1", document=DOCUMENT, do="patch", connection=None),
            Answered(at=3, write=3, outcome=Outcome.ACKNOWLEDGED, connection=2, revision=20),
            Invoked(at=3, write=4, client="rest-1", document=DOCUMENT, do="patch", connection=2),
            updated(4, 10),
            updated(5, 20),
            Ended(at=9, healed=4.5),
        ]
    )

    figures = Figures.of(evidence, {CLIENT: Sightings.of(evidence, CLIENT)})

    assert (figures.seconds, figures.clients, figures.documents, figures.events) == (9, 1, 1, 2)
    assert figures.writes == {"acknowledged": 2, "refused": 1, "unknown": 1}
    assert figures.settled == 1
    assert figures.faults == {"cut": 1, "delay": 1}
    assert figures.delay == {"native": Spread(2, 2.5, 3, 3)}
    assert figures.recovery == {"cut": Spread(1, 2.5, 2.5, 2.5), "delay": Spread(0, 0, 0, 0)}
    assert figures.convergence == 0.5
