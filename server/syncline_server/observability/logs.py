"""Logs: one line an event, on stderr, as text or JSON, with what is known of who and what.

`about` names them for everything that is logged in the same task from then on; `extra` of a single
call adds to that or stands in its place. Whatever they hold, an event stays one line.
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

__all__ = ["LineLimit", "about", "configure", "known"]

LINES = 20
"""Lines of one logger in `PERIOD`, where anybody may be able to cause them."""

PERIOD = 10.0
"""Seconds for which `LINES` are."""

_BOUNDED = (
    "asyncio",
    "uvicorn.error",
    "syncline.socket",
    "syncline.session",
    "syncline_server.http.middleware.exchange",
    "syncline_server.realtime.native",
    "syncline_server.realtime.twilsock.connection",
)
"""Loggers that say of single requests and connections what nobody expected."""

_TEXT = "%(asctime)s %(process)d %(levelname)-7s %(name)s: %(message)s"

_about: ContextVar[Mapping[str, str | None]] = ContextVar("about", default=MappingProxyType({}))

# What `logging` itself knows of an event; `color_message` is uvicorn's, for terminals.
_STANDARD = {*vars(logging.makeLogRecord({})), "asctime", "color_message", "message", "taskName"}

# What would break a line, move a terminal's cursor or turn text around, and halves of characters.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_BARE = re.compile(r'[^\s"=\\]+')


def about(**known: str | None) -> None:
    """Name what the task at hand is about, beside what was named before.

    The names in use: `request` (its id), `wire`, `peer`, `identity`, `key` (that vouches for it),
    `service`, `object`. None is not told.
    """
    _about.set({**_about.get(), **known})


def known() -> Mapping[str, str | None]:
    """What was named for the task at hand."""
    return _about.get()


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to stderr, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else _Text(_TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in _BOUNDED:
        logger = logging.getLogger(name)
        if not any(isinstance(each, LineLimit) for each in logger.filters):
            logger.addFilter(LineLimit())
    # These say what our own lines say too, or tell of each connection.
    for name in ("uvicorn", "syncline.socket"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class LineLimit(logging.Filter):
    """Lets so many lines pass in a time; the next one has the number of the others as `left_out`.

    Only of level `warning` and above: the others are for who looks for something.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: the time in seconds, from any beginning."""
        super().__init__()
        self._clock = clock
        self._ends_at = 0.0
        self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        now = self._clock()
        if now >= self._ends_at:
            self._ends_at = now + PERIOD
            if self._left_out:
                record.left_out = self._left_out
            self._passed = self._left_out = 0
        if self._passed >= LINES:
            self._left_out += 1
            return False
        self._passed += 1
        return True


class _Text(logging.Formatter):
    """The event, then `name=value` for all that is known; `error` is a traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        fields = _fields(record)
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        words = (f"{name}={_word(value)}" for name, value in fields.items())
        return _one_line(" ".join([self.formatMessage(record), *words]))


class _Json(logging.Formatter):
    """`{"time", "process", "level", "logger", "message"}` and all that is known.

    The time is UTC, as in RFC 3339; `error` holds a traceback, if any.
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
        # An event says by itself what it is, whatever the others are called.
        return _one_line(_encode({**line, **_fields(record), **line}))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the task is about and what this call adds to that, without what is None."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {k: value for k, value in {**known(), **extra}.items() if value is not None}


def _word(value: object) -> str:
    """As it stands where that is plain, else as JSON."""
    text = value if isinstance(value, str) else _encode(value)
    return text if _BARE.fullmatch(text) else _encode(value)


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _one_line(line: str) -> str:
    """With escapes, which JSON knows, in the place of what is no text."""
    return _UNSAFE.sub(lambda match: _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}", line)
