"""Audit log: a line for each administrative action and each refusal.

The logger is `syncline.audit`; its lines appear at every `--log-level`. A line has `outcome`
(`done` or `refused`) and, if known, `identity`, `key`, `object`, `code`, `wire`, `peer` and
`request`, most of them from the context of the task (`logs.about`). It contains no secrets.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import Context
from http import HTTPStatus

from syncline_protocol.errors import Code

from .forwarding_notice import ForwardingNotice
from .metrics import Limit

__all__ = ["Audit"]

logger = logging.getLogger("syncline.audit")
logger.setLevel(logging.INFO)

PERIOD = 1.0
"""Seconds of one period of the rate limit."""

OBJECT_LENGTH = 200
"""Maximum characters of a text in a line: the client chooses some of them."""

_STATUSES = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

_CODES = frozenset(
    # Without 54009, which only reports a conflict with other writers.
    {code for code in Code if code.status in _STATUSES} - {Code.TOO_MANY_REQUESTS}
    | {Code.TOO_MANY_SUBSCRIPTIONS}
)
"""Codes that are audited; other refusals only mean that a request was malformed or failed."""

Known = Mapping[str, object]


class Audit:
    """The audit log of one process.

    Every action gets a line. Any client can provoke refusals, so their lines are limited per
    second; one line counts the others.

    Attributes:
        forwarding: log of headers from untrusted proxies.
    """

    def __init__(self, rate: int, limit_hits: Counter[Limit]) -> None:
        """
        Args:
            rate: refusals per second that get their own line.
            limit_hits: counts the others, as `audit_rate`.
        """
        self._rate = rate
        self._limit_hits = limit_hits
        self.forwarding = ForwardingNotice()
        self._logged = 0
        self._omitted: Counter[int] = Counter()
        self._period: asyncio.TimerHandle | None = None

    def done(self, action: str, **known: object) -> None:
        """Log an administrative action: a noun and a participle, like "key added"."""
        logger.info(action, extra={**_shortened(known), "outcome": "done"})

    def refused(self, code: int, action: str, known: Callable[[], Known]) -> None:
        """Log a refusal, if its code is audited.

        `known`: returns the fields of the line; called only if a line is written.
        """
        if code in _CODES:
            self.turned_away(code, action, known)

    def turned_away(self, code: int, action: str, known: Callable[[], Known]) -> None:
        """As `refused`, for any code."""
        if self._period is None:
            # In an empty context: the summary is about many clients, and would otherwise carry the
            # `logs.about` fields of this one.
            self._period = asyncio.get_running_loop().call_later(
                PERIOD, self._end_period, context=Context()
            )
        if self._logged >= self._rate:
            self._omitted[int(code)] += 1
            self._limit_hits[Limit.AUDIT_RATE] += 1
            return
        self._logged += 1
        extra = {**_shortened(known()), "outcome": "refused", "code": int(code)}
        logger.warning(action, extra=extra)

    def close(self) -> None:
        """Write the summary of the current period."""
        if self._period is not None:
            self._period.cancel()
            self._end_period()

    def _end_period(self) -> None:
        self._period, self._logged = None, 0
        if self._omitted:
            codes = dict(sorted(self._omitted.items()))
            extra = {"outcome": "refused", "count": self._omitted.total(), "codes": codes}
            logger.warning("more refusals than the log shows", extra=extra)
            self._omitted.clear()


def _shortened(known: Known) -> dict[str, object]:
    return {
        name: value[:OBJECT_LENGTH] if isinstance(value, str) else value
        for name, value in known.items()
    }
