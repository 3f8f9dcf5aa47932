"""`/openapi.json`: the description of this API, with the limits that are set."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol import __version__
from syncline_server.settings import Settings

from . import schemas, urls
from .addresses import Resource
from .body import FORM, JSON, PATCH_TYPES
from .paging import DEFAULT_SIZE, LARGEST_SIZE, RETURNED_LIMIT
from .replies import json_reply

__all__ = ["description", "routes"]

JsonObject = dict[str, Any]

COLLECTION = "/v1/Services/{service}/Documents"


def routes(settings: Settings) -> list[Resource]:
    """The path of the description."""
    described = description(settings)

    async def describe(request: Request) -> Response:
        server = {"url": urls.base_url(request, settings.public_url)}
        return json_reply(described | {"servers": [server]})

    return [Resource("/openapi.json", {"GET": describe})]


def description(settings: Settings) -> JsonObject:
    """An OpenAPI 3.1 document, without `servers`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Syncline",
            "version": __version__,
            "summary": "Small JSON documents, in sync everywhere",
            "description": "Documents as in the Twilio Sync REST API v1; also patches, streams.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"basic": []}, {"token": []}],
        "paths": {
            COLLECTION: _collection(),
            f"{COLLECTION}/{{document}}": _document(),
            f"{COLLECTION}/{{document}}/Events": _events(),
            "/healthz": _health("Healthz", "Whether the process lives", "alive", {}),
            "/readyz": _health(
                "Readyz", "Whether requests can be served", "ready", {"503": _refusal(503)}
            ),
        },
        "components": schemas.components(settings),
    }


def _collection() -> JsonObject:
    return {
        "parameters": [_ref("parameters", "service")],
        "post": {
            "operationId": "CreateDocument",
            "summary": "Create a document",
            "parameters": [_ref("parameters", "idempotencyKey")],
            "requestBody": _parameters("CreateDocument"),
            "responses": {"201": _document_reply("Created"), **_refusals(400, 409, 413, 415)},
        },
        "get": {
            "operationId": "ListDocument",
            "summary": "Read a page of the documents of a service",
            "parameters": _paging(),
            "responses": {
                "200": {"description": "One page", "content": _json("DocumentPage")},
                **_refusals(400),
            },
        },
    }


def _document() -> JsonObject:
    write = [_ref("parameters", "ifMatch"), _ref("parameters", "idempotencyKey")]
    return {
        "parameters": [_ref("parameters", "service"), _ref("parameters", "document")],
        "get": {
            "operationId": "FetchDocument",
            "summary": "Read a document",
            "responses": {"200": _document_reply("The newest state"), **_refusals(400)},
        },
        "post": {
            "operationId": "UpdateDocument",
            "summary": "Replace the data, the expiry or both",
            "parameters": write,
            "requestBody": _parameters("UpdateDocument"),
            "responses": {"200": _document_reply("Updated"), **_refusals(400, 412, 413, 415)},
        },
        "patch": {
            "operationId": "PatchDocument",
            "summary": "Change the newest data by a rule",
            "parameters": [*write, _ref("parameters", "ttl")],
            "requestBody": _patches(),
            "responses": {
                "200": _document_reply("Updated"),
                **_refusals(400, 409, 412, 413, 415, 429),
            },
        },
        "delete": {
            "operationId": "DeleteDocument",
            "summary": "Remove a document",
            "parameters": write,
            "responses": {"204": {"description": "Removed"}, **_refusals(400, 412)},
        },
    }


def _events() -> JsonObject:
    return {
        "parameters": [_ref("parameters", "service"), _ref("parameters", "document")],
        "get": {
            "operationId": "StreamDocument",
            "summary": "Follow a document: events `state`, `updated`, `removed` and `closing`",
            "parameters": [_ref("parameters", "lastEventId")],
            "responses": {
                "200": {
                    "description": "A stream that lasts until the document or the token ends",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                **_refusals(400),
            },
        },
    }


def _health(operation: str, summary: str, status: str, refusals: JsonObject) -> JsonObject:
    schema = {
        "type": "object",
        "properties": {"status": {"const": status}},
        "required": ["status"],
    }
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "security": [],
            "responses": {
                "200": {"description": "Yes", "content": {JSON: {"schema": schema}}},
                **refusals,
            },
        }
    }


def _paging() -> list[JsonObject]:
    return [
        _query(
            "PageSize",
            f"Documents on a page; at most {RETURNED_LIMIT} are returned.",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE},
        ),
        _query(
            "Page",
            "The caller's own count of pages; it comes back in `meta`.",
            {"type": "integer", "minimum": 0, "default": 0},
        ),
        _query(
            "PageToken",
            "Where the page begins; part of the URLs in `meta`.",
            {"type": "string"},
        ),
    ]


def _query(name: str, text: str, schema: JsonObject) -> JsonObject:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _parameters(name: str) -> JsonObject:
    return {"content": {FORM: _schema(f"{name}Form"), JSON: _schema(f"{name}Json")}}


def _patches() -> JsonObject:
    kinds = {"merge": "MergePatch", "operations": "OperationsPatch", "increment": "Increment"}
    return {
        "required": True,
        "content": {media: _schema(kinds[kind]) for media, kind in PATCH_TYPES.items()},
    }


def _document_reply(text: str) -> JsonObject:
    return {
        "description": text,
        "headers": {"ETag": _ref("headers", "ETag")},
        "content": _json("Document"),
    }


def _refusals(*statuses: int) -> JsonObject:
    """The refusals of an operation on documents: its own, and those of all of them."""
    return {str(status): _refusal(status) for status in sorted({*statuses, 401, 403, 404, 503})}


def _refusal(status: int) -> JsonObject:
    return _ref("responses", str(status))


def _json(name: str) -> JsonObject:
    return {JSON: _schema(name)}


def _schema(name: str) -> JsonObject:
    return {"schema": _ref("schemas", name)}


def _ref(kind: str, name: str) -> JsonObject:
    return {"$ref": f"#/components/{kind}/{name}"}
