"""OpenAPI components: schemas of requests and replies."""

from __future__ import annotations

from http import HTTPStatus

from syncline_protocol.fields import OPERATION_LENGTH
from syncline_protocol.objects import TYPES
from syncline_server.config.settings import Settings
from syncline_server.objects.patches import OPERATIONS_LIMIT

from .account import account_schemas
from .api_keys import key_schemas
from .connections import connection_schemas
from .items import newest_item
from .lists import list_schemas
from .maps import map_schemas
from .parts import (
    DATE,
    DATE_OR_NULL,
    REVISION,
    REVISION_DIGITS,
    TEXT,
    TTL,
    UNIQUE_NAME,
    URL,
    JsonObject,
    at_least_one,
    data_schema,
    data_text,
    object_schema,
    page,
    parameters_schema,
    ref,
    sid,
)
from .permissions import permission_schemas
from .streams import stream_schemas
from .webhooks import webhook_schemas

__all__ = ["components"]

_REFUSALS = (400, 401, 403, 404, 409, 412, 413, 414, 415, 429, 503)

_TAG = r'((W/)?"[^"]*"|[0-9]+)'
"""An entity tag; the vendor sends revisions without quotes."""

_CONDITION: JsonObject = {
    "type": "string",
    "pattern": rf'^(\*|{REVISION_DIGITS}|"{REVISION_DIGITS}")$',
}
_POINTER: JsonObject = {"type": "string", "pattern": "^(/([^~/]|~[01])*)*$"}


def components(settings: Settings) -> JsonObject:
    """The `components` of the OpenAPI document."""
    return {
        "securitySchemes": {
            "basic": {
                "type": "http",
                "scheme": "basic",
                "description": "Account SID and auth token, or API key SID and secret.",
            },
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        },
        "parameters": _parameters(),
        "headers": {
            "ETag": {"description": "The revision, without quotes.", "schema": REVISION},
            "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
        },
        "responses": {str(status): _refusal(status) for status in _REFUSALS},
        "schemas": _schemas(settings),
    }


def _parameters() -> JsonObject:
    return {
        "service": _parameter("service", "path", "SID of a service, or `default`.", TEXT),
        **{type_.name: _object_parameter(type_.name) for type_ in TYPES},
        "ifMatch": _parameter(
            "If-Match",
            "header",
            "Write only if the document or item is at this revision (bare or in quotes), or `*`.",
            _CONDITION,
        ),
        "ifNoneMatch": _parameter(
            "If-None-Match",
            "header",
            "`*`, or revisions with commas between them (bare, in quotes or weak): a read is "
            "answered 304, and a write 412, if the newest is among them.",
            {"type": "string", "pattern": rf"^[ \t]*(\*|{_TAG}([ \t]*,[ \t]*{_TAG})*)[ \t]*$"},
        ),
        "idempotencyKey": _parameter(
            "Idempotency-Key",
            "header",
            "Makes the write safe to repeat: the same request with the same key is applied once. "
            "Another request with that key is refused with 409, 20409.",
            {"type": "string", "minLength": 1, "maxLength": OPERATION_LENGTH},
        ),
        "lastEventId": _parameter(
            "Last-Event-ID", "header", "The revision that the caller holds.", REVISION
        ),
        "ttl": _parameter("Ttl", "query", "Seconds to live; 0 for no expiry.", TTL),
        "itemTtl": _parameter("ItemTtl", "query", "As `Ttl`, and counts more.", TTL),
        "collectionTtl": _parameter(
            "CollectionTtl", "query", "Seconds to live of the list or map; 0 for no expiry.", TTL
        ),
    }


def _object_parameter(name: str) -> JsonObject:
    return _parameter(name, "path", f"SID or unique name of a {name}.", TEXT)


def _parameter(name: str, place: str, text: str, schema: JsonObject) -> JsonObject:
    return {
        "name": name,
        "in": place,
        "description": text,
        "required": place == "path",
        "schema": schema,
    }


def _refusal(status: int) -> JsonObject:
    reply: JsonObject = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": ref("schemas", "Error")}},
    }
    if status in (429, 503):
        reply["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return reply


def _schemas(settings: Settings) -> JsonObject:
    data = data_schema(settings.data_limit)
    text = data_text(data)
    chosen = sid("ET") | {"description": "Chosen by the account; without it, a random one."}
    update_form = {"Data": text, "Ttl": TTL}
    update_json = {"Data": {"anyOf": [data, text]}, "Ttl": TTL}
    return {
        "Document": _document(data),
        "WrittenDocument": _written_document(data),
        "NativeDocument": _native_document(data),
        "DocumentPage": page("documents", "Document"),
        **account_schemas(DATE),
        **key_schemas(DATE),
        **connection_schemas(),
        **webhook_schemas(),
        **list_schemas(settings),
        **map_schemas(settings),
        **stream_schemas(settings),
        **permission_schemas(),
        "Error": _error(),
        "CreateDocumentForm": parameters_schema(
            {"UniqueName": UNIQUE_NAME, "Sid": chosen, **update_form}
        ),
        "CreateDocumentJson": parameters_schema(
            {"UniqueName": UNIQUE_NAME, "Sid": chosen, **update_json}
        ),
        "UpdateDocumentForm": at_least_one(update_form),
        "UpdateDocumentJson": at_least_one(update_json),
        "MergePatch": {"type": "object", "description": "RFC 7396."},
        "OperationsPatch": {
            "type": "array",
            "description": "RFC 6902.",
            "maxItems": OPERATIONS_LIMIT,
            "items": {"oneOf": [_patch_operation(*each) for each in _PATCH_OPERATIONS]},
        },
        "Increment": {
            "type": "object",
            "description": "Numbers to add, by JSON pointer (RFC 6901).",
            "minProperties": 1,
            "propertyNames": _POINTER,
            "additionalProperties": {"type": "number"},
        },
    }


def _document(data: JsonObject) -> JsonObject:
    return object_schema(
        {
            **_identity(),
            "account_sid": sid("AC"),
            "service_sid": sid("IS"),
            "url": URL,
            "links": object_schema({"permissions": URL}),
            "data": data,
            "date_created": DATE,
            "date_updated": DATE,
            "date_expires": DATE_OR_NULL,
        }
    )


def _written_document(data: JsonObject) -> JsonObject:
    """A document in the reply to a write. `data` is optional: a caller may be allowed to write but
    not to read, and the reply to a repeated operation may lack it."""
    document = _document(data)
    return document | {"required": [name for name in document["required"] if name != "data"]}


def _native_document(data: JsonObject) -> JsonObject:
    """A document as in the native protocol, with milliseconds; in the `details` of 412."""
    date = {"type": "string", "format": "date-time"}
    return object_schema(
        {
            **_identity(),
            "data": data,
            "date_created": date,
            "date_updated": date,
            "date_expires": date | {"type": ["string", "null"]},
        }
    )


def _identity() -> JsonObject:
    return {
        "sid": sid("ET"),
        "unique_name": {"type": ["string", "null"]},
        "revision": REVISION,
        "created_by": TEXT,
        "updated_by": TEXT,
    }


def _error() -> JsonObject:
    members = {
        "code": {"type": "integer", "minimum": 20000},
        "message": TEXT,
        "more_info": URL,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    }
    newest = {"document": ref("schemas", "NativeDocument"), "item": newest_item()}
    details = object_schema(newest, ()) | {"minProperties": 1}
    return object_schema({**members, "details": details}, tuple(members))


_PATCH_OPERATIONS: list[tuple[list[str], JsonObject]] = [
    (["add", "replace", "test"], {"value": {}}),
    (["move", "copy"], {"from": _POINTER}),
    (["remove"], {}),
]
"""The operations of JSON Patch, and the member that each needs besides `op` and `path`."""


def _patch_operation(names: list[str], member: JsonObject) -> JsonObject:
    return object_schema({"op": {"enum": names}, "path": _POINTER, **member})
