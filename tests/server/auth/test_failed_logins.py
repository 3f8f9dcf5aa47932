from __future__ import annotations

from collections import Counter

import httpx2
import pytest

from support.keys import KeysApi
from support.server import StartServer
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.failed_logins import (
    ADDRESSES_LIMIT,
    PERIOD,
    PROVEN_LIMIT,
    FailedLogins,
)
from syncline_server.observability.metrics import Limit


class Minute:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(logins: FailedLogins, address: str, login: str = "Basic x") -> bool:
    try:
        logins.check(address, login)
    except Refusal as refusal:
        assert refusal.code is Code.RATE_LIMITED
        return True
    return False


def test_an_address_at_its_limit_waits_for_the_minute_to_end() -> None:
    clock, hits = Minute(), Counter[Limit]()
    logins = FailedLogins(2, hits, clock=clock)
    for _ in range(2):
        assert not refused(logins, "192.0.2.1")
        logins.record_failure("192.0.2.1")
    assert refused(logins, "192.0.2.1")
    assert not refused(logins, "192.0.2.2")
    assert hits[Limit.LOGIN_FAILURES] == 1
    clock.now = PERIOD
    assert not refused(logins, "192.0.2.1")


def test_a_login_that_was_right_before_still_passes() -> None:
    logins = FailedLogins(1, Counter())
    logins.record_success("192.0.2.1", "Basic right")
    logins.record_failure("192.0.2.1")
    assert refused(logins, "192.0.2.1", "Basic guess")
    assert not refused(logins, "192.0.2.1", "Basic right")
    for number in range(PROVEN_LIMIT):
        logins.record_success("192.0.2.1", f"Basic {number}")
    assert refused(logins, "192.0.2.1", "Basic right")


def test_a_login_that_was_right_elsewhere_is_no_answer_to_a_guess() -> None:
    logins = FailedLogins(1, Counter())
    logins.record_success("192.0.2.1", "Basic right")
    logins.record_failure("192.0.2.2")
    assert refused(logins, "192.0.2.2", "Basic right")
    assert not refused(logins, "192.0.2.1", "Basic right")


def test_the_addresses_that_are_counted_are_bounded() -> None:
    clock = Minute()
    logins = FailedLogins(2, Counter(), clock=clock)
    for number in range(ADDRESSES_LIMIT):
        logins.record_failure(f"198.51.{number >> 8}.{number & 255}")
    for address in ("192.0.2.1", "192.0.2.2"):
        assert not refused(logins, address)
        logins.record_failure(address)
    assert refused(logins, "192.0.2.3"), "all further ones count as one"
    assert not refused(logins, "198.51.0.0")
    clock.now = PERIOD
    assert not refused(logins, "192.0.2.3")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_addresses_of_one_client_count_together(one: str, other: str, same: bool) -> None:
    logins = FailedLogins(1, Counter())
    logins.record_failure(one)
    assert refused(logins, other) is same


def test_guessing_is_bounded_and_locks_out_nobody_who_was_in(fresh_server: StartServer) -> None:
    server = fresh_server("--login-failures=3", "--trusted-proxies=127.0.0.1")
    url = f"{server.url}/v1/Services"
    with KeysApi(server) as keys:
        unused = keys.add()
    account = server.basic[0]
    guesses = [httpx2.get(url, auth=(account, f"guess {number}")) for number in range(5)]
    assert [each.status_code for each in guesses] == [401, 401, 401, 429, 429]
    assert guesses[-1].json()["code"] == 20429
    assert "Retry-After" in guesses[-1].headers
    # A right guess is answered as the wrong ones.
    assert httpx2.get(url, auth=unused.login).status_code == 429
    assert httpx2.get(url, auth=server.basic).status_code == 200
    elsewhere = {"X-Forwarded-For": "192.0.2.1"}
    for _ in range(3):
        assert httpx2.get(url, auth=(account, "guess"), headers=elsewhere).status_code == 401
    # Neither is a right guess of a login that others use.
    assert httpx2.get(url, auth=server.basic, headers=elsewhere).status_code == 429
    stream = httpx2.get(f"{url}/default/Documents/x/Events", auth=(account, "guess"))
    assert stream.status_code == 429
    token = {"Authorization": f"Bearer {server.token()}"}
    assert httpx2.get(f"{url}/default/Documents", headers=token).status_code == 200
