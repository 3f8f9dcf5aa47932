from __future__ import annotations

from syncline_server.realtime.command_queue import CommandQueues


def test_all_addresses_of_a_document_lead_to_one_lane() -> None:
    lanes = CommandQueues()
    lane = lanes.of(["name"])
    lanes.claim(lane, ["name", "ET1"])

    assert lanes.of(["ET1"]) is lane
    assert lanes.of(["other", "name"]) is lane
    assert lanes.of(["other"]) is not lane


def test_an_address_stays_with_the_lane_that_has_it() -> None:
    lanes = CommandQueues()
    first, second = lanes.of(["a"]), lanes.of(["b"])
    lanes.claim(first, ["a"])
    lanes.claim(second, ["b", "a"])

    assert lanes.of(["a"]) is first
    lanes.end(second)
    assert lanes.of(["a"]) is first
    assert lanes.of(["b"]) is not second


def test_nothing_stays_of_a_lane_that_has_ended() -> None:
    lanes = CommandQueues()
    lane = lanes.of([])
    lanes.claim(lane, ["name", "ET1"])
    lanes.end(lane)

    assert lanes == {}
