"""Building blocks of the OpenAPI description."""

from __future__ import annotations

from typing import Any

from syncline_protocol.fields import NAME_LENGTH, TTL_LIMIT
from syncline_server.http.body import FORM, JSON
from syncline_server.http.paging import DEFAULT_SIZE, LARGEST_PAGE, LARGEST_SIZE

__all__ = [
    "BASIC",
    "DATE",
    "DATE_OR_NULL",
    "EVENT_STREAM",
    "FLAG",
    "JsonObject",
    "REVISION",
    "REVISION_DIGITS",
    "TEXT",
    "TTL",
    "UNIQUE_NAME",
    "URL",
    "URL_OR_NULL",
    "at_least_one",
    "data_schema",
    "data_text",
    "json_content",
    "nullable",
    "object_schema",
    "name_prefix",
    "page",
    "paging",
    "parameters",
    "parameters_schema",
    "path_parameter",
    "query",
    "ref",
    "refusals",
    "reply",
    "schema",
    "sid",
]

JsonObject = dict[str, Any]

TEXT: JsonObject = {"type": "string"}
URL: JsonObject = {"type": "string", "format": "uri"}
URL_OR_NULL: JsonObject = {"type": ["string", "null"], "format": "uri"}


FLAG: JsonObject = {"type": "boolean"}

DATE: JsonObject = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
}
DATE_OR_NULL: JsonObject = DATE | {"type": ["string", "null"]}

REVISION_DIGITS = "(0|[1-9][0-9]{0,15})"
REVISION: JsonObject = {"type": "string", "pattern": f"^{REVISION_DIGITS}$"}

TTL: JsonObject = {"type": "integer", "minimum": 0, "maximum": TTL_LIMIT}

UNIQUE_NAME: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_LENGTH,
    # Excludes `.` and `..`, which no URL path can carry, and names that look like a SID.
    "pattern": r"^(?!\.{1,2}$)(?![A-Z]{2}[0-9a-f]{32}$)",
}

BASIC = [{"basic": list[str]()}]
"""The `security` of operations that do not accept an access token."""


EVENT_STREAM: JsonObject = {
    "description": "A stream that lasts until the object or the token ends",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def ref(kind: str, name: str) -> JsonObject:
    """A reference to a component; `kind` as in `components`."""
    return {"$ref": f"#/components/{kind}/{name}"}


def schema(name: str) -> JsonObject:
    """A media type with that schema."""
    return {"schema": ref("schemas", name)}


def json_content(name: str) -> JsonObject:
    """Content in JSON with that schema."""
    return {JSON: schema(name)}


def reply(text: str, name: str) -> JsonObject:
    """A reply in JSON with that schema."""
    return {"description": text, "content": json_content(name)}


def parameters(name: str) -> JsonObject:
    """The body of a create or an update; its schemas are `<name>Form` and `<name>Json`."""
    return {"content": {FORM: schema(f"{name}Form"), JSON: schema(f"{name}Json")}}


def refusals(*statuses: int) -> JsonObject:
    """The refusals of an operation: its own, and those that every operation has."""
    return {
        str(status): ref("responses", str(status))
        for status in sorted({*statuses, 401, 403, 404, 503})
    }


def nullable(schema: JsonObject) -> JsonObject:
    """That schema, or null, which counts as missing in JSON."""
    return {"anyOf": [schema, {"type": "null"}]}


def path_parameter(name: str, text: str, schema: JsonObject) -> JsonObject:
    """A named segment of a path."""
    return {"name": name, "in": "path", "description": text, "required": True, "schema": schema}


def data_schema(limit: int) -> JsonObject:
    """The schema of data; `limit`: maximum bytes."""
    return {"type": "object", "description": f"At most {limit} bytes as compact UTF-8 JSON."}


def data_text(data: JsonObject) -> JsonObject:
    """The schema of a string that is the JSON text of such data."""
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": data}


def query(name: str, text: str, schema: JsonObject) -> JsonObject:
    """An optional query parameter."""
    return {"name": name, "in": "query", "description": text, "schema": schema}


def paging() -> list[JsonObject]:
    """The query parameters of a listing."""
    return [
        query(
            "PageSize",
            f"Maximum resources on a page; more than {LARGEST_SIZE} counts as {LARGEST_SIZE}.",
            {"type": "integer", "minimum": 1, "default": DEFAULT_SIZE},
        ),
        query(
            "Page",
            "The caller's own count of pages; it comes back in `meta`.",
            {"type": "integer", "minimum": 0, "maximum": LARGEST_PAGE, "default": 0},
        ),
        query(
            "PageToken",
            "Where the page begins; part of the URLs in `meta`.",
            {"type": "string", "minLength": 1},
        ),
    ]


def name_prefix() -> JsonObject:
    """The query parameter of a listing of objects."""
    return query(
        "NamePrefix",
        "Only objects whose unique names begin with this. They come in no order, and a page may "
        "have fewer than `PageSize`, even none, and still be followed by another.",
        {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH},
    )


def page(key: str, item: str) -> JsonObject:
    """The schema of a page; `item`: name of the schema of its items."""
    meta = object_schema(
        {
            "key": {"const": key},
            "page": {"type": "integer", "minimum": 0},
            "page_size": {"type": "integer", "minimum": 1},
            "url": URL,
            "first_page_url": URL,
            "previous_page_url": URL_OR_NULL,
            "next_page_url": URL_OR_NULL,
        }
    )
    return object_schema({key: {"type": "array", "items": ref("schemas", item)}, "meta": meta})


def object_schema(properties: JsonObject, required: tuple[str, ...] | None = None) -> JsonObject:
    """The schema of an object; `required` None requires every property."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
    }


def parameters_schema(properties: JsonObject) -> JsonObject:
    """The schema of a request's parameters: all optional, and no others allowed."""
    return object_schema(properties, ()) | {"additionalProperties": False}


def at_least_one(properties: JsonObject) -> JsonObject:
    """As `parameters_schema`, with at least one parameter required."""
    required = [{"required": [name]} for name in properties]
    return parameters_schema(properties) | {"anyOf": required}


def sid(kind: str) -> JsonObject:
    """The schema of a SID that begins with `kind`."""
    return {"type": "string", "pattern": f"^{kind}[0-9a-f]{{32}}$"}
