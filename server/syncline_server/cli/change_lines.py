"""One line for each event of a watched object: what has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from syncline.encoding import pointer_to

__all__ = ["data_changes", "document_line", "object_lines", "shortened"]

VALUE_LENGTH = 60
"""Characters of a value that are shown."""

DATA_LENGTH = 200
"""Characters of a whole object's data that are shown."""

CHANGES = 8
"""Changes of one event that are shown; the others are counted."""

Body = Mapping[str, Any]

_TYPES = ("document", "list", "map", "stream")

_SIGNS = {"added": "+", "updated": "~", "removed": "-"}

_ABSENT = object()


def document_line(document: Body, before: Any) -> str:
    """What an event says of a document; `before`: its data before the event, None at first."""
    name = document.get("unique_name") or document["sid"]
    authors = map(document.get, ("updated_by", "removed_by", "created_by"))
    author = next(filter(None, authors), None)
    by = f" by {author}" if author else ""
    if "removed_by" in document:
        return f"{name}{' expired' if document['expired'] else by}"
    if before is None:
        return f"{name}{by} {shortened(document['data'], DATA_LENGTH)}"
    found = list(data_changes(before, document["data"]))
    if not found:
        found = [f"expires {_expiry(document)}"]
    more = [f"and {len(found) - CHANGES} more"] if len(found) > CHANGES else []
    return f"{name}{by} {', '.join(found[:CHANGES] + more)}"


def object_lines(members: Body) -> Iterator[str]:
    """What an event says of an object: one line, or one for each item."""
    if "data" in members.get("document", {}) or "removed_by" in members.get("document", {}):
        yield document_line(members["document"], None)
        return
    header: Body = next((members[name] for name in _TYPES if name in members), {})
    name = str(header.get("unique_name") or header.get("sid") or "")
    if "message" in members:
        message = members["message"]
        by = message.get("published_by") or message.get("created_by")
        author = f" by {by}" if by else ""
        yield f"{name}{author} {shortened(message.get('data'), DATA_LENGTH)}"
        return
    items = [*members.get("items", ()), *members.get("changes", ())]
    if members == {"count": None}:
        yield "some events may be missing: the connection to a part of Redis broke or moved"
    elif not items:
        others = {key: value for key, value in members.items() if not isinstance(value, dict)}
        others.pop("service_sid", None)
        said = " ".join(f"{key}={shortened(value, VALUE_LENGTH)}" for key, value in others.items())
        # Only the event of a creation has it and no date of an update.
        creator = "" if "date_updated" in header else header.get("created_by")
        author = f"by {creator}" if creator else ""
        expiry = f"expires {_expiry(header)}" if header.get("date_expires") else ""
        yield " ".join(filter(None, (name, author, said, expiry)))
    for item in items:
        yield f"{name} {_item_line(item)}"


def data_changes(before: Body, after: Body, path: str = "") -> Iterator[str]:
    """What is different: `+key value`, `-key` and `key old → new`, by JSON pointers if nested."""
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        shown = f"{path}{pointer_to(key)}" if path else key
        if old is _ABSENT:
            yield f"+{shown} {shortened(new, VALUE_LENGTH)}"
        elif new is _ABSENT:
            yield f"-{shown}"
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from data_changes(old, new, f"{path}{pointer_to(key)}")
        elif old != new or isinstance(old, bool) is not isinstance(new, bool):
            yield f"{shown} {shortened(old, VALUE_LENGTH)} → {shortened(new, VALUE_LENGTH)}"


def shortened(value: Any, length: int) -> str:
    """`value` as compact JSON of at most `length` characters."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _item_line(item: Body) -> str:
    kind = item.get("kind") or item.get("change") or "added"
    known = item.get("key") if "key" in item else item.get("index")
    sign = _SIGNS.get(str(kind), "~")
    by = item.get("updated_by") or item.get("removed_by")
    author = f" by {by}" if by and "kind" in item else ""
    if kind == "removed":
        return f"{sign}{known}{' expired' if item.get('expired') else author}"
    return f"{sign}{known}{author} {shortened(item.get('data'), DATA_LENGTH)}"


def _expiry(resource: Body) -> str:
    expires = resource.get("date_expires")
    if expires is None:
        return "never"
    return str(expires if isinstance(expires, str) else expires.isoformat(timespec="seconds"))
