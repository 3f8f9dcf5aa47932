"""OpenAPI paths and schemas of streams and their messages."""

from __future__ import annotations

from syncline_server.config.settings import Settings
from syncline_server.http.object_forms import STREAMS

from .objects import object_path, object_paths, object_schemas
from .parts import (
    JsonObject,
    data_schema,
    data_text,
    object_schema,
    parameters,
    parameters_schema,
    ref,
    refusals,
    reply,
    sid,
)

__all__ = ["stream_paths", "stream_schemas"]


def stream_paths() -> JsonObject:
    """The `paths` of streams and their messages."""
    messages = f"{object_path(STREAMS.type)}/Messages"
    return {**object_paths(STREAMS), messages: _messages()}


def stream_schemas(settings: Settings) -> JsonObject:
    """The `schemas` of streams and their messages."""
    data = data_schema(settings.message_limit)
    text = data_text(data)
    needed = {"required": ["Data"]}
    return {
        **object_schemas(STREAMS),
        "StreamMessage": object_schema({"sid": sid("TZ"), "data": data}),
        "CreateStreamMessageForm": parameters_schema({"Data": text}) | needed,
        "CreateStreamMessageJson": parameters_schema({"Data": {"anyOf": [data, text]}}) | needed,
    }


def _messages() -> JsonObject:
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", STREAMS.type.name)],
        "post": {
            "operationId": "CreateStreamMessage",
            "summary": "Publish a message to those who have the stream open; it is not stored",
            "parameters": [ref("parameters", "idempotencyKey")],
            "requestBody": {"required": True} | parameters("CreateStreamMessage"),
            "responses": {
                "201": reply("Published", "StreamMessage"),
                **refusals(400, 409, 413, 415),
            },
        },
    }
