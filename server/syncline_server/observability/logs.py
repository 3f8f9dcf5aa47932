"""Logs on stderr: one line per event, as text or JSON, with fields of its context.

`about` sets fields for everything that the task logs afterwards; `extra` of a single call adds to
them or overrides them. An event stays one line, whatever the values contain.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from syncline_server.config.settings import Settings

from .rate_limit import FixedWindow

__all__ = ["LineLimit", "about", "configure", "known"]

LINES = 20
"""Maximum lines per `PERIOD` of a logger whose lines clients may be able to cause."""

PERIOD = 10.0
"""Seconds in which at most `LINES` lines are written."""

_BOUNDED = (
    "asyncio",
    "uvicorn.error",
    "syncline.socket",
    "syncline.session",
    "syncline.realtime",
    "syncline.native",
    "syncline.twilsock",
    "syncline_server.http.middleware.exchange",
)
"""Loggers of unexpected errors of single requests and connections; their lines are limited."""

_TEXT = "%(asctime)s %(process)d %(levelname)-7s %(name)s: %(message)s"

_about: ContextVar[Mapping[str, str | None]] = ContextVar("about", default=MappingProxyType({}))

# Attributes that `logging` itself sets on a record; `color_message` is uvicorn's, for terminals.
_STANDARD = {*vars(logging.makeLogRecord({})), "asctime", "color_message", "message", "taskName"}

# Characters that would break a line, control a terminal or reverse text, and lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_BARE = re.compile(r'[^\s"=\\]+')


def about(**known: str | None) -> None:
    """Add fields to the log lines of the current task.

    Fields in use: `request` (its id), `wire`, `peer`, `identity`, `key` (the API key that
    authenticated it), `service`, `object`, `item` (its key or index). A field that is None is not
    logged.
    """
    _about.set({**_about.get(), **known})


def known() -> Mapping[str, str | None]:
    """The fields that `about` set in the current task."""
    return _about.get()


def configure(settings: Settings) -> None:
    """Send all logs of this process to stderr, in the format and level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else _Text(_TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in _BOUNDED:
        logger = logging.getLogger(name)
        if not any(isinstance(each, LineLimit) for each in logger.filters):
            logger.addFilter(LineLimit())
    # Below `warning`, these repeat our own lines or log each connection.
    for name in ("uvicorn", "syncline.socket"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class LineLimit(logging.Filter):
    """Passes at most `LINES` lines per `PERIOD`; the first line of a later period has the number of
    dropped ones as `left_out`.

    Lines below `warning` always pass: an operator who enabled them wants them all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: time in seconds, with any zero point."""
        super().__init__()
        self._lines = FixedWindow(LINES, PERIOD, clock=clock)
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        if not self._lines.admit():
            self._left_out += 1
            return False
        if self._left_out:
            record.left_out, self._left_out = self._left_out, 0
        return True


class _Text(logging.Formatter):
    """The message, then `name=value` for each field; `error` is a traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        fields = _fields(record)
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        words = (f"{name}={_word(value)}" for name, value in fields.items())
        return _one_line(" ".join([self.formatMessage(record), *words]))


class _Json(logging.Formatter):
    """An object with `time`, `process`, `level`, `logger`, `message` and all fields.

    The time is UTC, as in RFC 3339; `error` is a traceback, if any.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "process": record.process,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # `line` first for the order of members, and last so that no field can override it.
        return _one_line(_encode({**line, **_fields(record), **line}))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of `about` and of this call's `extra`, without those that are None."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {k: value for k, value in {**known(), **extra}.items() if value is not None}


def _word(value: object) -> str:
    """The value unquoted if it is plain, else as JSON."""
    text = value if isinstance(value, str) else _encode(value)
    return text if _BARE.fullmatch(text) else _encode(value)


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _one_line(line: str) -> str:
    """`line` with JSON escapes in place of unsafe characters."""
    return _UNSAFE.sub(lambda match: _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}", line)
