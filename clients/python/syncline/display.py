"""How objects look in terminals and notebooks: short, and without tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

import orjson

__all__ = ["Shown", "rows_of", "shorten"]

_DATA_SHOWN = 80
"""Maximum number of characters of data."""

_ROWS_SHOWN = 10
"""Maximum number of rows of a table in a notebook."""


def shorten(json: bytes | None) -> str:
    """The beginning of data."""
    # Cut before decoding: data may be large. A character has 4 bytes at most.
    text = "" if json is None else json[: 4 * _DATA_SHOWN].decode(errors="ignore")
    return text if len(text) <= _DATA_SHOWN else text[: _DATA_SHOWN - 1] + "…"


def rows_of(json: bytes) -> Iterator[tuple[object, str]]:
    """The top-level keys of data, each with the beginning of its value."""
    for key, value in orjson.loads(json).items():
        yield key, shorten(orjson.dumps(value))


class Shown:
    """Is shown in notebooks as its `repr` and a table."""

    __slots__ = ()

    def _rows(self) -> Iterable[tuple[object, str]]:
        """Names and values, as far as they are shown."""
        return ()

    def _repr_html_(self) -> str:
        rows = []
        for number, (name, value) in enumerate(self._rows()):
            if number == _ROWS_SHOWN:
                rows.append("<tr><th>…</th><td></td></tr>")
                break
            rows.append(
                f"<tr><th>{escape(_cut(str(name)))}</th><td>{escape(_cut(value))}</td></tr>"
            )
        table = f"<table>{''.join(rows)}</table>" if rows else ""
        return f"<div><code>{escape(repr(self))}</code>{table}</div>"


def _cut(text: str) -> str:
    return text if len(text) <= _DATA_SHOWN else text[: _DATA_SHOWN - 1] + "…"
