"""A whole run about lists, maps and streams against a real server."""

from __future__ import annotations

from pathlib import Path

from support.collections import CollectionsApi
from support.server import RunningServer
from support.verify import Outcome, broken, run_until_conclusive
from syncline_tools.verify.items.records import CollectionCreated, ItemsJoined
from syncline_tools.verify.plan import FaultKind

CHECKS = {
    "item-kept",
    "item-origin",
    "item-revisions",
    "item-conditions",
    "item-batches",
    "item-order",
    "item-converged",
    "item-complete",
    "item-fresh",
    "item-replay",
    "item-removals",
    "item-replies",
    "item-parts",
    "item-expiry",
    "replica-converged",
    "replica-fresh",
    "replica-order",
    "replica-own",
}
"""What is judged of a map."""


class TestGreen:
    def test_a_server_keeps_its_promises_through_all_faults(self, recorded_items: Outcome) -> None:
        assert recorded_items.broken == set()
        assert recorded_items.doubts == set()
        assert recorded_items.status == 0

    def test_every_promise_was_put_to_the_test(self, recorded_items: Outcome) -> None:
        examined = {each["name"]: each["examined"] for each in recorded_items.verdict["checks"]}
        assert CHECKS | {"item-indexes", "messages"} <= set(examined)
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


def test_every_wire_is_judged_without_the_servers_redis(
    server: RunningServer, tmp_path: Path
) -> None:
    # The token is made here: without the data directory nothing leads to its Redis.
    token = {"SYNCLINE_TOKEN": server.token(), "SYNCLINE_DATA_DIR": str(tmp_path / "none")}
    options = ("--patience=1", "--faults=none", "--types=maps", "--rate=100")
    outcome = run_until_conclusive(
        server, tmp_path / "run", *options, seconds=1, extra_environ=token
    )

    assert outcome.broken == set()
    names = {each["name"] for each in outcome.verdict["checks"]}
    assert names == CHECKS | {"commands", "effect"}
    joined = [each for each in outcome.records if isinstance(each, ItemsJoined)]
    assert {each.wire for each in joined} == {
        "items",
        "native",
        "pages",
        "python",
        "sse",
        "twilsock",
    }
