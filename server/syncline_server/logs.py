"""Logs: one line an event, on stderr, as text or JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from .settings import Settings

__all__ = ["configure"]

_TEXT = "%(asctime)s %(process)d %(levelname)-7s %(name)s: %(message)s"


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to stderr, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # These say what our own lines say too, or tell of each connection.
    for name in ("uvicorn", "syncline.socket"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class _Json(logging.Formatter):
    """`{"time", "process", "level", "logger", "message"}`; `error` holds a traceback, if any.

    The time is UTC, as in RFC 3339.
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
        # Of what UTF-8 cannot carry, stderr makes an escape that JSON knows.
        return json.dumps(line, ensure_ascii=False)
