"""OpenAPI description of webhooks: the requests to receivers, and parked webhooks."""

from __future__ import annotations

from syncline_protocol.item_types import ITEM_TYPES
from syncline_protocol.objects import LIST, MAP, STREAM
from syncline_server.http.api.dead_letters import COLLECTION
from syncline_server.http.body import FORM

from .parts import (
    BASIC,
    TEXT,
    URL,
    JsonObject,
    object_schema,
    page,
    paging,
    ref,
    refusals,
    reply,
    schema,
    sid,
)

__all__ = ["webhook_paths", "webhook_requests", "webhook_schemas"]

_COLLECTIONS = (LIST, MAP, STREAM)

_ITEM_EVENTS = ("item_added", "item_updated", "item_removed")

_EVENTS = (
    "document_created",
    "document_updated",
    "document_removed",
    *(
        f"{type_.name}_{what}"
        for type_ in _COLLECTIONS
        for what in ("created", "removed", *(_ITEM_EVENTS if type_.has_items else ()))
    ),
    "endpoint_connected",
    "endpoint_disconnected",
)

_JSON_TEXT: JsonObject = {"type": "string", "description": "JSON text."}

_DATE: JsonObject = {"type": "string", "format": "date-time"}


def webhook_paths() -> JsonObject:
    """The `paths` of parked webhooks."""
    return {
        COLLECTION: {
            "parameters": [ref("parameters", "service")],
            "get": {
                "operationId": "ListParkedWebhook",
                "summary": "Read a page of the webhooks that were given up, the oldest first",
                "security": BASIC,
                "parameters": paging(),
                "responses": {"200": reply("One page", "ParkedWebhookPage"), **refusals(400)},
            },
        },
        f"{COLLECTION}/{{webhook}}": {
            "parameters": [ref("parameters", "service"), _webhook()],
            "get": {
                "operationId": "FetchParkedWebhook",
                "summary": "Read a webhook that was given up",
                "security": BASIC,
                "responses": {"200": reply("The webhook", "ParkedWebhook"), **refusals(400)},
            },
            "delete": {
                "operationId": "DeleteParkedWebhook",
                "summary": "Delete a parked webhook permanently",
                "security": BASIC,
                "responses": {"204": {"description": "Dropped"}, **refusals(400)},
            },
        },
        f"{COLLECTION}/{{webhook}}/Replay": {
            "parameters": [ref("parameters", "service"), _webhook()],
            "post": {
                "operationId": "ReplayParkedWebhook",
                "summary": "Send a webhook again, behind those that wait",
                "security": BASIC,
                "responses": {"202": reply("Queued", "ParkedWebhook"), **refusals(400)},
            },
        },
    }


def webhook_requests() -> JsonObject:
    """The request to the webhook URL of a service."""
    signature = {
        "name": "X-Twilio-Signature",
        "in": "header",
        "description": "Made with the account's auth token, as the vendor's validators check it.",
        "schema": TEXT,
    }
    operation = {
        "summary": "Receive an event; sent again until answered with 2xx, or parked",
        "parameters": [signature],
        "requestBody": {"required": True, "content": {FORM: schema("WebhookForm")}},
        "responses": {
            "2XX": {"description": "The event was accepted"},
            "410": {"description": "It is not to be sent again"},
        },
    }
    return {"event": {"post": operation}}


def webhook_schemas() -> JsonObject:
    """The `schemas` of webhooks."""
    return {
        "WebhookForm": object_schema(
            {
                "AccountSid": sid("AC"),
                "ServiceSid": sid("IS"),
                "EventType": {"type": "string", "enum": list(_EVENTS)},
                "Identity": TEXT,
                "EndpointId": TEXT,
                "DocumentSid": sid("ET"),
                "DocumentUniqueName": TEXT,
                "DocumentRevision": TEXT,
                "DocumentData": _JSON_TEXT,
                **_collection_parameters(),
                **_item_parameters(),
            },
            ("AccountSid", "ServiceSid", "EventType", "Identity"),
        ),
        "ParkedWebhook": object_schema(
            {
                "id": TEXT,
                "account_sid": sid("AC"),
                "service_sid": sid("IS"),
                "event_type": TEXT,
                "parameters": {"type": "object", "additionalProperties": TEXT},
                "attempts": {"type": "integer", "minimum": 0},
                "status": {"type": ["integer", "null"]},
                "reason": TEXT,
                "date_created": _DATE,
                "date_parked": _DATE,
                "url": URL,
            }
        ),
        "ParkedWebhookPage": page("parked_webhooks", "ParkedWebhook"),
    }


def _collection_parameters() -> JsonObject:
    parameters: JsonObject = {}
    for type_ in _COLLECTIONS:
        name = type_.name.capitalize()
        parameters |= {
            f"{name}Sid": sid(type_.prefix),
            f"{name}UniqueName": TEXT,
            f"{name}Revision": TEXT,
        }
    return parameters


def _item_parameters() -> JsonObject:
    """What an event of an item has, with the parameters of its collection."""
    ids = {
        f"Item{each.id_name.capitalize()}": {
            "type": "string",
            "description": f"The {each.id_name} of an item of a {each.type.name}.",
        }
        for each in ITEM_TYPES.values()
    }
    return {
        "EventId": {
            "type": "string",
            "description": "A number that grows with every event of the collection.",
        },
        **ids,
        "ItemRevision": TEXT,
        "ItemData": {
            "type": "string",
            "description": "JSON text; of an item that was removed, its last data.",
        },
    }


def _webhook() -> JsonObject:
    return {
        "name": "webhook",
        "in": "path",
        "required": True,
        "description": "The `id` of a parked webhook.",
        "schema": TEXT,
    }
