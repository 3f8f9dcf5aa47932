"""OpenAPI paths and schemas of API keys."""

from __future__ import annotations

from syncline_server.config.credentials import KEY_SID
from syncline_server.http.api.api_keys import COLLECTION
from syncline_server.http.api.service_parameters import FRIENDLY_NAME_LENGTH

from .parts import (
    BASIC,
    FLAG,
    TEXT,
    URL,
    JsonObject,
    object_schema,
    page,
    paging,
    parameters,
    parameters_schema,
    refusals,
    reply,
    sid,
)

__all__ = ["key_paths", "key_schemas"]


def key_paths() -> JsonObject:
    """The `paths` of API keys."""
    return {
        COLLECTION: {
            "post": {
                "operationId": "CreateKey",
                "summary": "Create an API key; its secret is shown only here",
                "security": BASIC,
                "requestBody": parameters("CreateKey"),
                "responses": {"201": reply("Made", "NewKey"), **refusals(400, 409, 413, 415)},
            },
            "get": {
                "operationId": "ListKey",
                "summary": "Read a page of the API keys that are valid",
                "security": BASIC,
                "parameters": paging(),
                "responses": {"200": reply("One page", "KeyPage"), **refusals(400)},
            },
        },
        f"{COLLECTION}/{{key}}": {
            "parameters": [_key()],
            "get": {
                "operationId": "FetchKey",
                "summary": "Read what is known of an API key, never its secret",
                "security": BASIC,
                "responses": {"200": reply("The key", "Key"), **refusals(400)},
            },
            "delete": {
                "operationId": "RevokeKey",
                "summary": "Revoke an API key permanently; its tokens and connections end",
                "security": BASIC,
                "responses": {"204": {"description": "Revoked"}, **refusals(400)},
            },
        },
    }


def key_schemas(date: JsonObject) -> JsonObject:
    """The `schemas` of API keys; `date`: schema of a point in time."""
    name: JsonObject = {"maxLength": FRIENDLY_NAME_LENGTH}
    login_only = {**FLAG, "description": "It signs no tokens.", "default": False}
    properties: JsonObject = {
        "sid": sid("SK"),
        "account_sid": sid("AC"),
        "friendly_name": {"type": ["string", "null"]},
        "login_only": FLAG,
        "configured": {**FLAG, "description": "It stands in the server's configuration."},
        "date_created": {**date, "type": ["string", "null"]},
        "url": URL,
    }
    return {
        "Key": object_schema(properties),
        "NewKey": object_schema({**properties, "secret": {**TEXT, "minLength": 43}}),
        "KeyPage": page("keys", "Key"),
        "CreateKeyForm": parameters_schema(
            {"FriendlyName": {**TEXT, **name}, "LoginOnly": login_only}
        ),
        "CreateKeyJson": parameters_schema(
            {"FriendlyName": {"type": ["string", "null"], **name}, "LoginOnly": login_only}
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
