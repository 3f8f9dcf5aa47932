from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

from syncline_tools.verify.faults import Faults
from syncline_tools.verify.history import History
from syncline_tools.verify.plan import Fault, FaultKind
from syncline_tools.verify.proxy import Link, Target
from syncline_tools.verify.records import Injected
from syncline_tools.verify.shape import Shape


def make_shape(*commands: str, patience: float = 20) -> Shape:
    return Shape(
        seed=1,
        duration=0.1,
        faults=(),
        clients=1,
        documents=5,
        follow=5,
        rate=1,
        patience=patience,
        commands=commands,
    )


async def inflict(shape: Shape, *plan: Fault) -> list[Injected]:
    """What comes into the history."""
    history = History(io.BytesIO())
    async with Link(Target.parse("http://127.0.0.1:1")) as link:
        async with Faults(history, {"native-1": link}, plan, shape) as faults:
            faults.start()
            healed = await faults.stop()
    records = [each for each in history.records if isinstance(each, Injected)]
    assert len(records) == len(history.records)
    assert all(each.at <= healed for each in records)
    return records


async def test_what_is_planned_is_inflicted_in_its_order() -> None:
    plan = [
        Fault(at=0.0, client="native-1", kind=FaultKind.DELAY, seconds=0.01, latency=0.02),
        Fault(at=0.02, client="native-1", kind=FaultKind.CUT, seconds=0.0),
    ]

    first, second = await inflict(make_shape(), *plan)

    assert (first.client, first.fault, first.seconds, first.detail) == (
        "native-1",
        "delay",
        0.01,
        "20 ms each way",
    )
    assert (second.fault, second.detail) == ("cut", "0 connections broken")
    assert first.at <= second.at


async def test_commands_run_in_their_order_and_hit_everybody(tmp_path: Path) -> None:
    file = shlex.quote(str(tmp_path / "done"))

    first, second = await inflict(make_shape(f"echo 1 >> {file}", f"echo 2 >> {file}"))

    assert (tmp_path / "done").read_text() == "1\n2\n"
    assert first.client is None
    assert (first.fault, first.detail, first.failed) == (
        "command",
        f"echo 1 >> {file} (status 0)",
        False,
    )
    assert first.at < second.at


async def test_a_command_that_fails_is_reported() -> None:
    [record] = await inflict(make_shape("exit 7"))

    assert (record.detail, record.failed) == ("exit 7 (status 7)", True)


async def test_a_command_that_does_not_end_is_killed_with_its_children() -> None:
    sleeper = shlex.join([sys.executable, "-c", "import time; time.sleep(600)"])

    [record] = await inflict(make_shape(f"{sleeper}; true", patience=0.5))

    assert record.failed
    assert record.detail.endswith("(status -9)")
