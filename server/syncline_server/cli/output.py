"""Output of the commands: tables, JSON lines or YAML (`output_format`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import click
import orjson
from rich.console import Console, Group, RenderableType
from rich.highlighter import JSONHighlighter
from rich.table import Column, Table
from rich.text import Text

from .change_lines import document_line, object_lines
from .failures import printable
from .output_format import output_format, to_yaml

__all__ = [
    "FIELDS",
    "show_counts",
    "show_document",
    "show_documents",
    "show_event",
    "show_items",
    "show_line",
    "show_members",
    "show_next",
    "show_objects",
    "show_pages",
    "show_removal",
    "show_resource",
    "show_text",
]

FIELDS = (
    "sid",
    "unique_name",
    "revision",
    "data",
    "date_created",
    "date_updated",
    "date_expires",
    "created_by",
    "updated_by",
)
"""Properties of a document that are printed, in this order (docs/protocol.md, section 2)."""

_COLOURS = {
    "state": "bold green",
    "created": "bold green",
    "updated": "bold cyan",
    "items": "bold cyan",
    "message": "bold cyan",
    "expiry": "bold cyan",
    "reset": "bold yellow",
    "missed": "bold yellow",
    "removed": "bold red",
}

Body = Mapping[str, Any]
"""A document as in a reply or an event; dates are strings or aware datetimes."""

PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""

SID_LENGTH = 34

_SID_COLUMNS = ("connection", "key", "service")
"""Titles of columns whose SIDs are never folded: they are copied."""

Columns = Mapping[str, Callable[[Body], str]]
"""Columns of a table: the text of a resource, by the title."""


def show_document(document: Body) -> None:
    """Print the known properties of a document."""
    show_resource(_known_properties(document))


def show_resource(resource: Body) -> None:
    """Print all properties of a resource."""
    if output_format() == "table":
        _console().print(_details(resource))
    else:
        show_line(resource)


def show_documents(pages: Iterable[Iterable[Body]]) -> None:
    """Print a listing; in a pipe each page is printed as it arrives."""
    known = (map(_known_properties, page) for page in pages)
    show_pages(_DOCUMENT_COLUMNS, known)


def show_objects(name: str, pages: Iterable[Iterable[Body]]) -> None:
    """Print a listing of lists, maps or streams; `name`: the type, as the title of a column."""
    columns = {name: _name, "updated": _column("date_updated"), "expires": _expiry}
    show_pages(columns, pages)


def show_items(pages: Iterable[Iterable[Body]]) -> None:
    """Print a listing of the items of a list or map."""
    columns = {
        "item": _item_id,
        "revision": _column("revision"),
        "expires": _expiry,
        "data": lambda item: json.dumps(item.get("data"), ensure_ascii=False),
    }
    show_pages(columns, pages)


def show_event(name: str, document: Body, before: Any = None, *, full: bool = True) -> None:
    """Print an event of a watched document; `name` is `state`, `updated` or `removed`.

    Args:
        before: data before the event; None at first.
        full: in a table, print all properties instead of a line with what has changed.
    """
    if output_format() != "table":
        show_next({"event": name, "document": document})
    elif full:
        _show_heading(name)
        _console().print(_details(document))
    else:
        _show_change(name, document_line(document, before))


def show_members(name: str, members: Body, *, full: bool = True) -> None:
    """Print an event of a watched list, map or stream; arguments as in `show_event`."""
    if output_format() != "table":
        show_next({"event": name, **members})
        return
    if not full:
        for line in object_lines(members):
            _show_change(name, line)
        return
    _show_heading(name)
    for value in members.values():
        for each in value if isinstance(value, list) else [value]:
            _console().print(
                _details(each) if isinstance(each, dict) else Text(printable(_text(each)))
            )


def show_removal(address: str, verb: str = "removed") -> None:
    """Print that this command removed something."""
    if output_format() == "table":
        _console().print(Text(verb, _COLOURS["removed"]), Text(printable(address)))
    else:
        show_line({verb: address})


def show_counts(counts: Mapping[str, int]) -> None:
    """Print counts, such as the number of documents with each outcome."""
    if output_format() == "table":
        shown = (
            Text(f"{count:,} {name}", "" if count else "dim") for name, count in counts.items()
        )
        _console().print(Text(" · ").join(shown))
    else:
        show_line(counts)


def show_text(text: str, style: str = "") -> None:
    """Print a line for a person."""
    _console().print(Text(printable(text), style), soft_wrap=True)


def show_pages(columns: Columns, pages: Iterable[Iterable[Body]]) -> None:
    """Print a listing; other formats than a table are printed as the pages arrive."""
    chosen = output_format()
    if chosen == "table":
        _console().print(_table(columns, pages))
        return
    is_empty = True
    for page in pages:
        for resource in page:
            is_empty = False
            if chosen == "yaml":
                click.echo(to_yaml([_plain(resource)]), nl=False)
            else:
                show_line(resource)
    if is_empty and chosen == "yaml":
        click.echo("[]")


def show_line(value: Any) -> None:
    """Print one JSON value on one line, or as YAML; dates may be aware datetimes."""
    if output_format() == "yaml":
        click.echo(to_yaml(_plain(value)), nl=False)
    else:
        click.echo(_encoded(value), nl=False)


def show_next(event: Body) -> None:
    """Print one of several values: in YAML they are documents of one stream."""
    if output_format() == "yaml":
        click.echo("---")
    show_line(event)


def _show_heading(name: str) -> None:
    _console().rule(Text(name, _COLOURS.get(name, "")), align="left")


def _show_change(name: str, line: str) -> None:
    time = Text(f"{datetime.now():%H:%M:%S}", "dim")
    shown = time + " " + Text(f"{name:<7}", _COLOURS.get(name, "")) + Text(f" {printable(line)}")
    _console().print(shown, soft_wrap=True)


def _console() -> Console:
    # A table in a file or a pipe is not folded to the 80 columns that rich would take.
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def _encoded(value: Any) -> bytes:
    return orjson.dumps(value, _text, orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    return json.loads(_encoded(value))


def _known_properties(document: Body) -> Body:
    return {name: document[name] for name in FIELDS if name in document}


def _details(document: Body) -> RenderableType:
    properties = Table.grid(padding=(0, 2))
    properties.add_column(style="dim")
    for name, value in document.items():
        if name != "data":
            properties.add_row(name, Text(printable(_text(value))))
    if "data" not in document:
        return properties
    return Group(properties, _json(document["data"]))


def _table(columns: Columns, pages: Iterable[Iterable[Body]]) -> Table:
    titles = [
        Column(title, no_wrap=True, min_width=SID_LENGTH) if title in _SID_COLUMNS else title
        for title in columns
    ]
    table = Table(*titles, box=None)
    with Console(stderr=True).status("Listing…") as status:
        for page in pages:
            for resource in page:
                table.add_row(*_row(columns, resource))
            status.update(f"Listing… {table.row_count}")
    return table


def _row(columns: Columns, resource: Body) -> list[Text]:
    first, *others = (printable(show(resource)) for show in columns.values())
    return [Text(first, "bold", overflow="fold"), *(Text(each, overflow="fold") for each in others)]


def _name(resource: Body) -> str:
    return str(resource["unique_name"] or resource["sid"])


def _item_id(item: Body) -> str:
    return str(item["key"] if "key" in item else item["index"])


def _expiry(resource: Body) -> str:
    return _text(resource["date_expires"] or "never")


def _column(name: str) -> Callable[[Body], str]:
    return lambda resource: _text(resource[name])


_DOCUMENT_COLUMNS = {
    "document": _name,
    "revision": _column("revision"),
    "updated": _column("date_updated"),
    "expires": _expiry,
}


def _json(data: Any) -> Text:
    # JSON does not escape every control character, so each line is made printable.
    lines = json.dumps(data, ensure_ascii=False, indent=2).splitlines()
    return JSONHighlighter()("\n".join(map(printable, lines)))


def _text(value: object) -> str:
    """A property as text for a person; dates as in the protocol."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return "–" if value is None else str(value)
