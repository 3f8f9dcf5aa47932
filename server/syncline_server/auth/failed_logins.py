"""A bound for the guessing of secrets: failed Basic logins of an address.

An address at its limit gets no answer about further logins, right or wrong, until the minute ends.
Logins that have succeeded from that address before still pass, so that somebody who guesses behind
the same proxy does not lock out the back ends there. A login that has succeeded from elsewhere does
not: otherwise an address at its limit could go on to guess the secrets that are in use.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Limit
from syncline_server.observability.rate_limit import FixedWindow

__all__ = ["FailedLogins"]

PERIOD = 60.0
"""Seconds in which failures are counted."""

PROVEN_LIMIT = 1000
"""Logins that are remembered as right; the one that was used longest ago is forgotten."""

ADDRESSES_LIMIT = 10_000
"""Addresses whose failures are counted apart in a minute; all further ones count as one."""

_OTHERS = "others"


class FailedLogins:
    """The failed Basic logins of one process."""

    def __init__(
        self,
        limit: int,
        limit_hits: Counter[Limit],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit`: failures of one address in a minute."""
        self._limit_hits = limit_hits
        self._failures = FixedWindow(limit, PERIOD, clock=clock)
        # Digests of addresses and `Authorization` headers: the secrets themselves are not kept.
        self._proven: OrderedDict[bytes, None] = OrderedDict()

    def check(self, address: str, authorization: str) -> None:
        """Return if the login may be checked. Raises `RATE_LIMITED` otherwise."""
        if self._failures.left(self._counted(address)) > 0:
            return
        if _digest(address, authorization) in self._proven:
            return
        self._limit_hits[Limit.LOGIN_FAILURES] += 1
        raise Refusal(
            Code.RATE_LIMITED,
            "Too many logins from this address have failed; try again in a minute.",
        )

    def record_failure(self, address: str) -> None:
        """Count a login that was refused."""
        self._failures.admit(1, self._counted(address))

    def record_success(self, address: str, authorization: str) -> None:
        """Remember a login that was right."""
        login = _digest(address, authorization)
        self._proven[login] = None
        self._proven.move_to_end(login)
        if len(self._proven) > PROVEN_LIMIT:
            self._proven.popitem(last=False)

    def _counted(self, address: str) -> str:
        """What the failures of an address are counted under."""
        network = _network(address)
        counted = self._failures.keys
        is_full = len(counted) >= ADDRESSES_LIMIT
        return _OTHERS if is_full and network not in counted else network


def _digest(address: str, authorization: str) -> bytes:
    return hashlib.sha256(f"{_network(address)} {authorization}".encode()).digest()


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    """What an address counts as: itself, or of IPv6 its network, as one client may have all of
    its addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
