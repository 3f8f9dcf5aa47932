"""`/openapi.json`: the OpenAPI description, with the limits of the settings."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol import __version__
from syncline_server.config.settings import Settings
from syncline_server.http import urls
from syncline_server.http.body import JSON, PATCH_TYPES
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Route

from . import schemas
from .account import account_paths
from .api_keys import key_paths
from .connections import connection_paths
from .lists import list_paths
from .maps import map_paths
from .parts import (
    EVENT_STREAM,
    JsonObject,
    json_content,
    name_prefix,
    paging,
    parameters,
    ref,
    refusals,
    schema,
)
from .permissions import permission_paths
from .streams import stream_paths
from .webhooks import webhook_paths, webhook_requests

__all__ = ["description", "routes"]

COLLECTION = "/v1/Services/{service}/Documents"


def routes(settings: Settings) -> list[Route]:
    """The route of the description."""
    described = description(settings)

    async def describe(request: Request) -> Response:
        server = {"url": urls.base_url(request, settings.public_url)}
        return json_reply(described | {"servers": [server]})

    return [Route("/openapi.json", {"GET": describe})]


def description(settings: Settings) -> JsonObject:
    """An OpenAPI 3.1 document, without `servers`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Syncline",
            "version": __version__,
            "summary": "Small JSON documents, lists, maps and streams, in sync everywhere",
            "description": "Services, documents, lists, maps, streams and permissions as in the "
            "Twilio Sync REST API v1; also patches, batches, event streams and API keys.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"basic": []}, {"token": []}],
        "paths": _tagged(
            {
                **account_paths(),
                **key_paths(),
                **connection_paths(),
                **webhook_paths(),
                COLLECTION: _collection(),
                f"{COLLECTION}/{{document}}": _document(),
                f"{COLLECTION}/{{document}}/Events": _events(),
                **list_paths(),
                **map_paths(),
                **stream_paths(),
                **permission_paths(),
                "/healthz": _health("Healthz", "Whether the process lives", "alive", {}),
                "/readyz": _health(
                    "Readyz",
                    "Whether requests can be served",
                    "ready",
                    {"503": ref("responses", "503")},
                ),
            }
        ),
        "webhooks": webhook_requests(),
        "components": schemas.components(settings),
    }


def _tagged(paths: JsonObject) -> JsonObject:
    """The paths; each operation has the tag under which viewers list it."""
    return {
        path: {
            name: {"tags": [_tag_of(path)], **part} if name in _METHODS else part
            for name, part in operations.items()
        }
        for path, operations in paths.items()
    }


_METHODS = {"get", "post", "put", "patch", "delete"}


def _tag_of(path: str) -> str:
    """What a path is about; the permissions of an object have a tag of their own."""
    names = [segment for segment in path.split("/") if segment and not segment.startswith("{")]
    if names[0] != "v1":
        return "Health"
    if "Permissions" in names:
        return "Permissions"
    return names[2] if len(names) > 2 else names[1]


def _collection() -> JsonObject:
    return {
        "parameters": [ref("parameters", "service")],
        "post": {
            "operationId": "CreateDocument",
            "summary": "Create a document",
            "parameters": [ref("parameters", "ifNoneMatch"), ref("parameters", "idempotencyKey")],
            "requestBody": parameters("CreateDocument"),
            "responses": {"201": _document_reply("Created"), **refusals(400, 409, 412, 413, 415)},
        },
        "get": {
            "operationId": "ListDocument",
            "summary": "Read a page of the documents of a service",
            "parameters": [name_prefix(), *paging()],
            "responses": {
                "200": {"description": "One page", "content": json_content("DocumentPage")},
                **refusals(400),
            },
        },
    }


def _document() -> JsonObject:
    unless = ref("parameters", "ifNoneMatch")
    write = [ref("parameters", "ifMatch"), unless, ref("parameters", "idempotencyKey")]
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", "document")],
        "get": {
            "operationId": "FetchDocument",
            "summary": "Read a document",
            "parameters": [unless],
            "responses": {
                "200": _document_reply("The newest state"),
                "304": {"description": "The newest state matches If-None-Match"},
                **refusals(400),
            },
        },
        "post": {
            "operationId": "UpdateDocument",
            "summary": "Replace the data, the expiry or both",
            "parameters": write,
            "requestBody": {"required": True} | parameters("UpdateDocument"),
            "responses": {
                "200": _document_reply("Updated", "WrittenDocument"),
                **refusals(400, 409, 412, 413, 415),
            },
        },
        "patch": {
            "operationId": "PatchDocument",
            "summary": "Patch the newest data",
            "parameters": [*write, ref("parameters", "ttl")],
            "requestBody": _patches(),
            "responses": {
                "200": _document_reply("Updated", "WrittenDocument"),
                **refusals(400, 409, 412, 413, 415, 429),
            },
        },
        "delete": {
            "operationId": "DeleteDocument",
            "summary": "Remove a document",
            "parameters": write,
            "responses": {"204": {"description": "Removed"}, **refusals(400, 409, 412)},
        },
    }


def _events() -> JsonObject:
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", "document")],
        "get": {
            "operationId": "StreamDocument",
            "summary": "Subscribe to a document: `state`, `updated`, `removed` and `closing`",
            "parameters": [ref("parameters", "lastEventId")],
            "responses": {
                "200": EVENT_STREAM,
                **refusals(400),
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


def _patches() -> JsonObject:
    kinds = {"merge": "MergePatch", "operations": "OperationsPatch", "increment": "Increment"}
    return {
        "required": True,
        "content": {media: schema(kinds[kind]) for media, kind in PATCH_TYPES.items()},
    }


def _document_reply(text: str, name: str = "Document") -> JsonObject:
    return {
        "description": text,
        "headers": {"ETag": ref("headers", "ETag")},
        "content": json_content(name),
    }
