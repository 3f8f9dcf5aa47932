"""OpenAPI components: schemas of requests and replies."""

from __future__ import annotations

from http import HTTPStatus

from syncline_protocol.fields import NAME_LENGTH, OPERATION_LENGTH, TTL_LIMIT
from syncline_server.config.settings import Settings
from syncline_server.objects.patches import OPERATIONS_LIMIT

from .account import account_schemas
from .api_keys import key_schemas
from .parts import (
    TEXT,
    URL,
    JsonObject,
    at_least_one,
    object_schema,
    page,
    parameters_schema,
    ref,
    sid,
)
from .webhooks import webhook_schemas

__all__ = ["components"]

_REFUSALS = (400, 401, 403, 404, 409, 412, 413, 415, 429, 503)

_DATE: JsonObject = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
}
_DIGITS = "(0|[1-9][0-9]{0,15})"
_REVISION: JsonObject = {"type": "string", "pattern": f"^{_DIGITS}$"}
_TAG = r'((W/)?"[^"]*"|[0-9]+)'
"""An entity tag; the vendor sends revisions without quotes."""

_CONDITION: JsonObject = {"type": "string", "pattern": rf'^(\*|{_DIGITS}|"{_DIGITS}")$'}
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
            "ETag": {"description": "The revision, without quotes.", "schema": _REVISION},
            "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
        },
        "responses": {str(status): _refusal(status) for status in _REFUSALS},
        "schemas": _schemas(settings),
    }


def _parameters() -> JsonObject:
    return {
        "service": _parameter("service", "path", "SID of a service, or `default`.", TEXT),
        "document": _parameter("document", "path", "SID or unique name of a document.", TEXT),
        "ifMatch": _parameter(
            "If-Match",
            "header",
            "Write only if the document is at this revision (bare or in quotes), or `*`.",
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
            "Last-Event-ID", "header", "The revision that the caller holds.", _REVISION
        ),
        "ttl": _parameter("Ttl", "query", "Seconds to live; 0 for no expiry.", _ttl()),
    }


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
    data = {
        "type": "object",
        "description": f"At most {settings.data_limit} bytes as compact UTF-8 JSON.",
    }
    name = {
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_LENGTH,
        # Excludes `.` and `..`, which no URL path can carry, and names that look like a SID.
        "pattern": r"^(?!\.{1,2}$)(?![A-Z]{2}[0-9a-f]{32}$)",
    }
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    chosen = sid("ET") | {"description": "Chosen by the account; without it, a random one."}
    update_form = {"Data": text, "Ttl": _ttl()}
    update_json = {"Data": {"anyOf": [data, text]}, "Ttl": _ttl()}
    return {
        "Document": _document(data),
        "WrittenDocument": _written_document(data),
        "NativeDocument": _native_document(data),
        "DocumentPage": page("documents", "Document"),
        **account_schemas(_DATE),
        **key_schemas(_DATE),
        **webhook_schemas(),
        "Error": _error(),
        "CreateDocumentForm": parameters_schema({"UniqueName": name, "Sid": chosen, **update_form}),
        "CreateDocumentJson": parameters_schema({"UniqueName": name, "Sid": chosen, **update_json}),
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
            "date_created": _DATE,
            "date_updated": _DATE,
            "date_expires": _DATE | {"type": ["string", "null"]},
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
        "revision": _REVISION,
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
    details = object_schema({"document": ref("schemas", "NativeDocument")})
    return object_schema({**members, "details": details}, tuple(members))


_PATCH_OPERATIONS: list[tuple[list[str], JsonObject]] = [
    (["add", "replace", "test"], {"value": {}}),
    (["move", "copy"], {"from": _POINTER}),
    (["remove"], {}),
]
"""The operations of JSON Patch, and the member that each needs besides `op` and `path`."""


def _patch_operation(names: list[str], member: JsonObject) -> JsonObject:
    return object_schema({"op": {"enum": names}, "path": _POINTER, **member})


def _ttl() -> JsonObject:
    return {"type": "integer", "minimum": 0, "maximum": TTL_LIMIT}
