from __future__ import annotations

from syncline_server.realtime.command_queue import CommandQueues


def test_all_addresses_of_a_document_lead_to_one_queue() -> None:
    queues = CommandQueues()
    queue = queues.of(["name"])
    queues.claim(queue, ["name", "ET1"])

    assert queues.of(["ET1"]) is queue
    assert queues.of(["other", "name"]) is queue
    assert queues.of(["other"]) is not queue


def test_an_address_stays_with_the_queue_that_has_it() -> None:
    queues = CommandQueues()
    first, second = queues.of(["a"]), queues.of(["b"])
    queues.claim(first, ["a"])
    queues.claim(second, ["b", "a"])

    assert queues.of(["a"]) is first
    queues.end(second)
    assert queues.of(["a"]) is first
    assert queues.of(["b"]) is not second


def test_nothing_stays_of_a_queue_that_has_ended() -> None:
    queues = CommandQueues()
    queue = queues.of([])
    queues.claim(queue, ["name", "ET1"])
    queues.end(queue)

    assert queues == {}
