"""The components of the API's description: what requests and replies hold."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from syncline_protocol.fields import NAME_LENGTH, OPERATION_LENGTH, TTL_LIMIT
from syncline_server.settings import Settings

__all__ = ["components"]

JsonObject = dict[str, Any]

_REFUSALS = (400, 401, 403, 404, 409, 412, 413, 415, 429, 503)

_TEXT: JsonObject = {"type": "string"}
_URL: JsonObject = {"type": "string", "format": "uri"}
_URL_OR_NULL: JsonObject = {"type": ["string", "null"], "format": "uri"}
_DATE: JsonObject = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
}
_REVISION: JsonObject = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,15})$"}


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
        "service": _parameter("service", "path", "SID of a service, or `default`.", _TEXT),
        "document": _parameter("document", "path", "SID or unique name of a document.", _TEXT),
        "ifMatch": _parameter(
            "If-Match",
            "header",
            "Write only if the document is at this revision (bare or in quotes), or `*`.",
            _TEXT,
        ),
        "idempotencyKey": _parameter(
            "Idempotency-Key",
            "header",
            f"Makes the write safe to repeat for {OPERATION_LENGTH}-character keys at most.",
            {"type": "string", "minLength": 1, "maxLength": OPERATION_LENGTH},
        ),
        "lastEventId": _parameter(
            "Last-Event-ID", "header", "The revision that the caller holds.", _REVISION
        ),
        "ttl": _parameter("Ttl", "query", "Seconds to live; 0 for ever.", _ttl()),
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
        "content": {"application/json": {"schema": _schema("Error")}},
    }
    if status in (429, 503):
        reply["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return reply


def _schemas(settings: Settings) -> JsonObject:
    data = {
        "type": "object",
        "description": f"At most {settings.data_limit} bytes as compact UTF-8 JSON.",
    }
    name = {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH}
    update_form = {"Data": {"type": "string", "description": "JSON text."}, "Ttl": _ttl()}
    update_json = {"Data": {"anyOf": [data, _TEXT]}, "Ttl": _ttl()}
    return {
        "Document": _document(data),
        "NativeDocument": _native_document(data),
        "DocumentPage": _object(
            {"documents": {"type": "array", "items": _schema("Document")}, "meta": _schema("Meta")}
        ),
        "Meta": _object(
            {
                "key": {"const": "documents"},
                "page": {"type": "integer", "minimum": 0},
                "page_size": {"type": "integer", "minimum": 1},
                "url": _URL,
                "first_page_url": _URL,
                "previous_page_url": _URL_OR_NULL,
                "next_page_url": _URL_OR_NULL,
            }
        ),
        "Error": _error(),
        "CreateDocumentForm": _object({"UniqueName": name, **update_form}, ()),
        "CreateDocumentJson": _object({"UniqueName": name, **update_json}, ()),
        "UpdateDocumentForm": _object(update_form, ()),
        "UpdateDocumentJson": _object(update_json, ()),
        "MergePatch": {"type": "object", "description": "RFC 7396."},
        "OperationsPatch": {
            "type": "array",
            "description": "RFC 6902.",
            "items": _object({"op": _TEXT, "path": _TEXT}),
        },
        "Increment": {
            "type": "object",
            "description": "Numbers to add, by JSON pointer (RFC 6901).",
            "minProperties": 1,
            "additionalProperties": {"type": "number"},
        },
    }


def _document(data: JsonObject) -> JsonObject:
    return _object(
        {
            **_identity(),
            "account_sid": _sid("AC"),
            "service_sid": _sid("IS"),
            "url": _URL,
            "links": _object({"permissions": _URL}),
            "data": data,
            "date_created": _DATE,
            "date_updated": _DATE,
            "date_expires": _DATE | {"type": ["string", "null"]},
        }
    )


def _native_document(data: JsonObject) -> JsonObject:
    """As the native protocol shows it, with milliseconds: in `details` of 412."""
    date = {"type": "string", "format": "date-time"}
    return _object(
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
        "sid": _sid("ET"),
        "unique_name": {"type": ["string", "null"]},
        "revision": _REVISION,
        "created_by": _TEXT,
        "updated_by": _TEXT,
    }


def _error() -> JsonObject:
    members = {
        "code": {"type": "integer", "minimum": 20000},
        "message": _TEXT,
        "more_info": _URL,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    }
    details = _object({"document": _schema("NativeDocument")})
    return _object({**members, "details": details}, tuple(members))


def _sid(kind: str) -> JsonObject:
    return {"type": "string", "pattern": f"^{kind}[0-9a-f]{{32}}$"}


def _ttl() -> JsonObject:
    return {"type": "integer", "minimum": 0, "maximum": TTL_LIMIT}


def _object(properties: JsonObject, required: tuple[str, ...] | None = None) -> JsonObject:
    """`required` None requires every property."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
    }


def _schema(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}
