"""A whole run about lists, maps and streams against a real server."""

from __future__ import annotations

from pathlib import Path

from support.collections import CollectionsApi
from support.server import RunningServer
from support.verify import Outcome, broken, run_verify
from syncline_tools.verify.items.records import CollectionCreated
from syncline_tools.verify.plan import FaultKind

CHECKS = {
    "item-kept",
    "item-origin",
    "item-revisions",
    "item-conditions",
    "item-batches",
    "item-order",
    "item-converged",
}
"""What is judged without observers of events."""

ON_EVENTS = {"item-complete", "item-replay", "item-removals"}


class TestGreen:
    def test_a_server_keeps_its_promises_through_all_faults(self, recorded_items: Outcome) -> None:
        assert recorded_items.broken == set()
        assert recorded_items.doubts == set()
        assert recorded_items.status == 0

    def test_every_promise_was_put_to_the_test(self, recorded_items: Outcome) -> None:
        examined = {each["name"]: each["examined"] for each in recorded_items.verdict["checks"]}
        assert CHECKS | ON_EVENTS | {"item-indexes", "item-expiry", "messages"} <= set(examined)
        assert [name for name, count in examined.items() if not count] == ["commands"]
        assert set(recorded_items.verdict["figures"]["faults"]) <= set(FaultKind)

    def test_its_history_is_judged_the_same_later(self, recorded_items: Outcome) -> None:
        assert broken(recorded_items.records) == set()

    def test_nothing_stays_of_it(self, recorded_items: Outcome, server: RunningServer) -> None:
        made = [each for each in recorded_items.records if isinstance(each, CollectionCreated)]
        assert {each.type for each in made} == {"list", "map", "stream"}
        for each in made:
            with CollectionsApi(server, f"{each.type.title()}s") as objects:
                assert objects.call("GET", each.collection).status_code == 404


def test_without_the_servers_redis_only_what_is_read_is_judged(
    server: RunningServer, tmp_path: Path
) -> None:
    # The token is made here: without the data directory nothing leads to its Redis.
    token = {"SYNCLINE_TOKEN": server.token(), "SYNCLINE_DATA_DIR": str(tmp_path / "none")}
    options = ("--duration=1", "--patience=1", "--faults=none", "--types=maps", "--rate=100")
    outcome = run_verify(server, tmp_path / "run", *options, extra_environ=token)

    assert outcome.broken == set()
    names = {each["name"] for each in outcome.verdict["checks"]}
    assert names == CHECKS | {"item-expiry", "commands", "effect"}
