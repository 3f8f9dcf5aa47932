"""Measures events and writes of a map's items over sockets, beside those of a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench.harness.bench import Bench
from bench.harness.collection import MAP_NAME
from bench.harness.load import group
from bench.harness.measures.fan_out import FIGURE, FanOutShape, loaded
from bench.harness.outcome import Goal, Outcome
from bench.harness.rounds import Figures, Sampler, column, print_line, take_turns
from bench.harness.syncline import Native, Twilsock, create_map, native_login
from bench.harness.target import Site
from bench.harness.test_bed import running_test_bed

__all__ = ["item_fan_out", "item_puts"]

SUBSCRIBERS = 1000

WRITERS, IN_FLIGHT = 100, 16
SETTLING = 1.0

PER_CPU = "writes per CPU-second of the server"
REDIS_PER_WRITE = "CPU-microseconds of Redis, a write"


class NativeItems(Native):
    """Subscribers open a map; writers put its items."""

    name = "Syncline, native, a map's item"

    def prepare(self, site: Site) -> None:
        create_map(site, MAP_NAME)

    def subscriber(self, site: Site) -> list[str]:
        return [
            *native_login(site),
            f'send {{"id":2,"do":"open","map":"{MAP_NAME}","items":false}}',
            'expect {"id":2,"ok"',
        ]

    def writer(self, site: Site) -> list[str]:
        return _item_writer(site)


class TwilsockItems(Twilsock):
    """The same with Twilsock."""

    name = "Syncline, Twilsock, a map's item"
    object_type = "map"

    def prepare(self, site: Site) -> None:
        create_map(site, MAP_NAME)

    def sids(self, site: Site) -> list[str]:
        return [create_map(site, MAP_NAME)]

    def writer(self, site: Site) -> list[str]:
        return _item_writer(site)


def _item_writer(site: Site) -> list[str]:
    return [
        *native_login(site),
        f'publish {{"id":{{id}},"do":"set","map":"{MAP_NAME}","key":"item-{{doc}}",'
        '"data":{"text":"{text}"}}',
        'ack-id {"id":',
        'refused "error"',
    ]


def item_fan_out(bench: Bench) -> list[Outcome]:
    """One map; the next change is sent when every subscriber has the previous one.

    The peers have no maps: their nearest equivalent is a channel or a record.
    """
    shape = FanOutShape(SUBSCRIBERS)
    measure = f"a change of an item to {SUBSCRIBERS:,} subscribers of its map"
    print_line(measure)
    pairs = ((Native(), NativeItems()), (Twilsock(), TwilsockItems()))
    targets = [bench.floor, *(each for pair in pairs for each in pair), *bench.wanted_peers]
    samplers = [Sampler(each.name, partial(loaded, bench, each, shape)) for each in targets]
    found = column(take_turns(samplers, bench.rounds), FIGURE)
    beside_documents = [
        Outcome(
            f"{measure}, beside a document",
            FIGURE,
            {each.name: found[each.name] for each in pair},
            base=pair[0].name,
            goals=[Goal(pair[1].name, "≥ 0.9 × a document's", least=0.9)],
        )
        for pair in pairs
    ]
    ahead = [peer.name for peer in bench.wanted_peers]
    goals = [Goal(own.name, "ahead of every peer", ahead_of=ahead) for _, own in pairs]
    return [*beside_documents, Outcome(measure, FIGURE, found, base=bench.floor.name, goals=goals)]


def item_puts(bench: Bench) -> list[Outcome]:
    """Each writer has a document, or an item, of its own; all items are in one map."""
    measure = (
        f"writes of 200 bytes over the native socket, {WRITERS} writers, {IN_FLIGHT} in flight"
    )
    print_line(measure)
    base, items = Native(), NativeItems()
    samples = take_turns(
        [Sampler(each.name, partial(_writing, bench, each)) for each in (base, items)],
        bench.rounds,
    )
    return [
        Outcome(
            measure,
            figure,
            column(samples, figure),
            base=base.name,
            less_is_better=figure != PER_CPU,
        )
        for figure in (PER_CPU, REDIS_PER_WRITE)
    ]


@contextmanager
def _writing(bench: Bench, target: Native) -> Iterator[Callable[[], Figures]]:
    with running_test_bed(target, WRITERS, bench.appendfsync) as test_bed:
        script = group("writers", WRITERS, test_bed.site, target.writer(test_bed.site))
        with test_bed.load(script) as load:
            publish = partial(load.publish, "inflight", IN_FLIGHT)
            publish(SETTLING)

            def measure() -> Figures:
                run = test_bed.measure(partial(publish, bench.seconds))
                if run.result["refused"]:
                    raise RuntimeError(f"{run.result['refused']} writes were refused")
                done = run.result["acknowledged"]
                return {PER_CPU: done / run.cpu, REDIS_PER_WRITE: run.redis_cpu / done * 1e6}

            yield measure
