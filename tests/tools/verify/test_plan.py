from __future__ import annotations

from itertools import groupby, pairwise

from syncline_tools.verify.plan import MANY_CLIENTS, Fault, FaultKind, make_plan

KINDS = tuple(FaultKind)
CLIENTS = [f"native-{number}" for number in range(MANY_CLIENTS)]


def by_client(plan: list[Fault]) -> list[list[Fault]]:
    ordered = sorted(plan, key=lambda fault: (fault.client, fault.at))
    return [list(faults) for _, faults in groupby(ordered, key=lambda fault: fault.client)]


def test_a_seed_gives_the_same_plan_again_and_another_seed_another() -> None:
    assert make_plan(1, 20, KINDS, CLIENTS) == make_plan(1, 20, KINDS, CLIENTS)
    assert make_plan(1, 20, KINDS, CLIENTS) != make_plan(2, 20, KINDS, CLIENTS)


def test_another_client_changes_nothing_for_the_others() -> None:
    plan = make_plan(1, 20, KINDS, CLIENTS[:2])

    assert plan == [fault for fault in make_plan(1, 20, KINDS, CLIENTS) if fault in plan]


def test_faults_come_in_order_and_are_over_in_time() -> None:
    plan = make_plan(1, 20, KINDS, CLIENTS)

    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert max(fault.at + fault.seconds for fault in plan) <= 20


def test_faults_of_one_link_do_not_overlap() -> None:
    for faults in by_client(make_plan(1, 60, KINDS, CLIENTS)):
        for earlier, later in pairwise(faults):
            assert earlier.at + earlier.seconds < later.at


def test_every_client_meets_every_kind_before_one_comes_again() -> None:
    for faults in by_client(make_plan(1, 60, KINDS, CLIENTS)):
        assert {fault.kind for fault in faults[: len(KINDS)]} == set(KINDS)


def test_only_a_delay_has_a_latency() -> None:
    plan = make_plan(1, 60, KINDS, CLIENTS)

    assert all((fault.latency > 0) == (fault.kind is FaultKind.DELAY) for fault in plan)


def test_no_kinds_are_no_faults() -> None:
    assert make_plan(1, 60, (), CLIENTS) == []


def test_ten_times_the_clients_have_hardly_more_faults_together() -> None:
    many = [f"native-{number}" for number in range(MANY_CLIENTS * 10)]

    assert len(make_plan(1, 60, KINDS, many)) < 2 * len(make_plan(1, 60, KINDS, CLIENTS))
