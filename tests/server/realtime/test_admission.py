from __future__ import annotations

from syncline_protocol.errors import Code
from syncline_server.config.settings import Settings
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Limit, Load, Meters
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.connections import ConnectionRegistry, Description


class FakeConnection:
    """One who is in."""

    key = None

    def evict(self) -> None:
        """Nobody is turned out here."""

    def drain(self) -> None:
        """Nobody is sent away here."""

    def disconnect(self) -> None:
        """Nobody is disconnected here."""

    def load(self) -> Load:
        return Load("native", 0, 0, 0)

    def describe(self) -> Description:
        """Nobody is shown here."""
        raise NotImplementedError


def make_admission(connections: ConnectionRegistry, meters: Meters, **settings: int) -> Admission:
    audit = Audit(1, meters.limit_hits)
    return Admission(Settings(**settings), connections, meters, audit, clock=lambda: 0.0)  # type: ignore[arg-type]


def test_there_is_room_again_when_one_leaves() -> None:
    connections, meters, connection = ConnectionRegistry(), Meters(), FakeConnection()
    admission = make_admission(connections, meters, max_connections=1)
    assert admission.check() is None
    connections.add(connection)
    refusal = admission.check()
    assert refusal is not None and refusal.code is Code.UNAVAILABLE
    connections.remove(connection)
    assert admission.check() is None
    assert meters.limit_hits[Limit.MAX_CONNECTIONS] == 1


def test_who_finds_no_room_does_not_count_as_one_who_came() -> None:
    connections, meters, connection = ConnectionRegistry(), Meters(), FakeConnection()
    admission = make_admission(connections, meters, max_connections=1, connect_rate=1)
    connections.add(connection)
    assert admission.check() is not None
    connections.remove(connection)
    assert admission.check() is None
    refusal = admission.check()
    assert refusal is not None and refusal.code is Code.RATE_LIMITED
    assert meters.limit_hits[Limit.CONNECT_RATE] == 1


def test_a_refusal_is_known_for_a_moment_and_asking_counts_nothing() -> None:
    meters, now = Meters(), [0.0]
    audit = Audit(1, meters.limit_hits)
    admission = Admission(
        Settings(connect_rate=1), ConnectionRegistry(), meters, audit, clock=lambda: now[0]
    )
    assert admission.check() is None
    assert admission.recent_refusal() is None
    assert admission.check() is not None
    now[0] += 4.9
    refusal = admission.recent_refusal()
    assert refusal is not None and refusal.code is Code.RATE_LIMITED
    assert meters.limit_hits[Limit.CONNECT_RATE] == 1
    now[0] += 0.2
    assert admission.recent_refusal() is None
    assert admission.check() is None
