"""OpenAPI paths and schemas of connections, and of the tail of all events."""

from __future__ import annotations

from syncline_protocol.fields import NAME_LENGTH
from syncline_protocol.objects import TYPES

from .parts import (
    BASIC,
    EVENT_STREAM,
    FLAG,
    TEXT,
    URL,
    JsonObject,
    object_schema,
    page,
    paging,
    query,
    refusals,
    reply,
    sid,
)

__all__ = ["connection_paths", "connection_schemas"]

COLLECTION = "/v1/Connections"
EVENTS = "/v1/Events"

_ID: JsonObject = {"type": "string", "pattern": "^CN[0-9a-f]{32}$"}
_NUMBER: JsonObject = {"type": "integer", "minimum": 0}
_TEXT_OR_NULL: JsonObject = {"type": ["string", "null"]}
_SERVICE: JsonObject = {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH}


def connection_paths() -> JsonObject:
    """The `paths` of connections and of the tail."""
    return {
        COLLECTION: {
            "get": {
                "operationId": "ListConnection",
                "summary": "Read a page of the sockets and event streams of all servers",
                "security": BASIC,
                "parameters": [
                    query("Identity", "The beginning of identities.", TEXT | {"minLength": 1}),
                    query("Service", "SID or unique name of a service.", _SERVICE),
                    *paging(),
                ],
                "responses": {"200": reply("One page", "ConnectionPage"), **refusals(400, 503)},
            },
        },
        f"{COLLECTION}/{{connection}}": {
            "parameters": [
                {
                    "name": "connection",
                    "in": "path",
                    "required": True,
                    "description": "Id of a connection.",
                    "schema": _ID,
                }
            ],
            "delete": {
                "operationId": "CloseConnection",
                "summary": "Close a connection; its client may connect again",
                "security": BASIC,
                "responses": {"204": {"description": "Closed"}, **refusals(400, 503)},
            },
        },
        EVENTS: {
            "get": {
                "operationId": "TailEvents",
                "summary": "Follow the events of all objects",
                "security": BASIC,
                "parameters": [
                    query("Service", "SID or unique name of a service.", _SERVICE),
                    query(
                        "Type",
                        "One type only.",
                        {"type": "string", "enum": [t.plural for t in TYPES]},
                    ),
                    query("Object", "SID of one object.", {"type": "string"}),
                ],
                "responses": {"200": EVENT_STREAM, **refusals(400, 429)},
            },
        },
    }


def connection_schemas() -> JsonObject:
    """The `schemas` of connections."""
    listed = page("connections", "Connection")
    for name, items, text in (
        ("silent_workers", _NUMBER, "Workers of this server that did not answer."),
        ("silent_servers", TEXT, "Other servers of which a process did not answer."),
    ):
        listed["properties"][name] = {"type": "array", "items": items, "description": text}
        listed["required"] = [*listed["required"], name]
    return {
        "Connection": object_schema(
            {
                "id": _ID,
                "server": TEXT,
                "worker": _NUMBER,
                "identity": _TEXT_OR_NULL,
                "service_sid": {**sid("IS"), "type": ["string", "null"]},
                "wire": {"enum": ["native", "twilsock", "sse", "tail"]},
                "peer": _TEXT_OR_NULL,
                "key": _TEXT_OR_NULL,
                "opened": {"type": "array", "items": TEXT},
                "open_count": _NUMBER,
                "in_flight": _NUMBER,
                "waiting": _NUMBER,
                "is_slow": FLAG,
                "date_created": {"type": "string", "format": "date-time"},
                "url": URL,
            }
        ),
        "ConnectionPage": listed,
    }
