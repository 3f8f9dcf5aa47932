"""Who administered what, and who was refused: one line each in the log.

The lines are of the logger `syncline.audit` and come at every `--log-level`. A line tells `outcome`
(`done` or `refused`) and, as far as they are known, `identity`, `key`, `object`, `code`, `wire`,
`peer` and `request`; most of these are the task's own (`logs.about`). No secret is among them.
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

__all__ = ["Audit"]

logger = logging.getLogger("syncline.audit")
logger.setLevel(logging.INFO)

PERIOD = 1.0
"""Seconds for which the allowance is."""

OBJECT_LENGTH = 200
"""Characters of an object that are told: the caller chose them."""

_STATUSES = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

_CODES = frozenset(
    # Without 54009: it says that others were quicker.
    {code for code in Code if code.status in _STATUSES} - {Code.TOO_MANY_REQUESTS}
    | {Code.TOO_MANY_SUBSCRIPTIONS}
)
"""What is a refusal to look after; the others only say that a request made no sense."""

Known = Mapping[str, object]


class Audit:
    """One for a process.

    Everything that is done gets its line. Refusals are for anybody to provoke, so that only so many
    in a second do; the others are counted in one line.

    Attributes:
        forwarding: for headers of proxies that are not trusted.
    """

    def __init__(self, rate: int, bounds: Counter[str]) -> None:
        """
        Args:
            rate: refusals in a second that get a line each.
            bounds: counts those that do not, as `audit_rate`.
        """
        self._rate = rate
        self._bounds = bounds
        self.forwarding = ForwardingNotice()
        self._told = 0
        self._left_out: Counter[int] = Counter()
        self._period: asyncio.TimerHandle | None = None

    def done(self, action: str, **known: object) -> None:
        """Something was administered: `action` is a noun and what happened to it."""
        logger.info(action, extra={**_shortened(known), "outcome": "done"})

    def refused(self, code: int, action: str, known: Callable[[], Known]) -> None:
        """Something was refused, with that code; nothing happens for codes of other kinds.

        `known`: gives what is known of it; called only where that is told.
        """
        if code in _CODES:
            self.turned_away(code, action, known)

    def turned_away(self, code: int, action: str, known: Callable[[], Known]) -> None:
        """As `refused`, whatever the code."""
        if self._period is None:
            # Not in the context of this caller, of which the summary would tell.
            self._period = asyncio.get_running_loop().call_later(
                PERIOD, self._begin_anew, context=Context()
            )
        if self._told >= self._rate:
            self._left_out[int(code)] += 1
            self._bounds["audit_rate"] += 1
            return
        self._told += 1
        extra = {**_shortened(known()), "outcome": "refused", "code": int(code)}
        logger.warning(action, extra=extra)

    def close(self) -> None:
        """Tell what was not told yet."""
        if self._period is not None:
            self._period.cancel()
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._period, self._told = None, 0
        if self._left_out:
            codes = dict(sorted(self._left_out.items()))
            extra = {"outcome": "refused", "count": self._left_out.total(), "codes": codes}
            logger.warning("more refusals than are told", extra=extra)
            self._left_out.clear()


def _shortened(known: Known) -> dict[str, object]:
    return {
        name: value[:OBJECT_LENGTH] if isinstance(value, str) else value
        for name, value in known.items()
    }
