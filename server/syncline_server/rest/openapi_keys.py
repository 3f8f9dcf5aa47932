"""API keys in the API's description."""

from __future__ import annotations

from syncline_server.known_keys import KEY_SID

from .keys import COLLECTION
from .openapi_parts import (
    TEXT,
    URL,
    JsonObject,
    json_content,
    object_schema,
    page,
    paging,
    parameters,
    refusals,
    sid,
)
from .service_parameters import FRIENDLY_NAME_LENGTH

__all__ = ["key_paths", "key_schemas"]

_SECURITY = [{"basic": list[str]()}]
"""The account's own login, which the kinds of OpenAPI cannot tell from that of a key."""

_FLAG: JsonObject = {"type": "boolean"}


def key_paths() -> JsonObject:
    """Their `paths`."""
    return {
        COLLECTION: {
            "post": {
                "operationId": "CreateKey",
                "summary": "Make an API key; its secret is told only here",
                "security": _SECURITY,
                "requestBody": parameters("CreateKey"),
                "responses": {"201": _reply("Made", "NewKey"), **refusals(400, 409, 413, 415)},
            },
            "get": {
                "operationId": "ListKey",
                "summary": "Read a page of the API keys that are valid",
                "security": _SECURITY,
                "parameters": paging(),
                "responses": {"200": _reply("One page", "KeyPage"), **refusals(400)},
            },
        },
        f"{COLLECTION}/{{key}}": {
            "parameters": [_key()],
            "get": {
                "operationId": "FetchKey",
                "summary": "Read what is known of an API key, never its secret",
                "security": _SECURITY,
                "responses": {"200": _reply("The key", "Key"), **refusals(400)},
            },
            "delete": {
                "operationId": "RevokeKey",
                "summary": "Make an API key invalid for ever, and end all that it vouches for",
                "security": _SECURITY,
                "responses": {"204": {"description": "Revoked"}, **refusals(400)},
            },
        },
    }


def key_schemas(date: JsonObject) -> JsonObject:
    """Their `schemas`; `date` is that of a moment."""
    name: JsonObject = {"minLength": 1, "maxLength": FRIENDLY_NAME_LENGTH}
    login_only = {**_FLAG, "description": "It signs no tokens.", "default": False}
    properties: JsonObject = {
        "sid": sid("SK"),
        "account_sid": sid("AC"),
        "friendly_name": {"type": ["string", "null"]},
        "login_only": _FLAG,
        "configured": {**_FLAG, "description": "It stands in the server's configuration."},
        "date_created": {**date, "type": ["string", "null"]},
        "url": URL,
    }
    return {
        "Key": object_schema(properties),
        "NewKey": object_schema({**properties, "secret": {**TEXT, "minLength": 43}}),
        "KeyPage": page("keys", "Key"),
        "CreateKeyForm": object_schema(
            {"FriendlyName": {**TEXT, **name}, "LoginOnly": login_only}, ()
        ),
        "CreateKeyJson": object_schema(
            {"FriendlyName": {"type": ["string", "null"], **name}, "LoginOnly": login_only}, ()
        ),
    }


def _key() -> JsonObject:
    return {
        "name": "key",
        "in": "path",
        "required": True,
        "description": "SID of an API key.",
        "schema": {"type": "string", "pattern": f"^{KEY_SID.pattern}$"},
    }


def _reply(text: str, name: str) -> JsonObject:
    return {"description": text, "content": json_content(name)}
