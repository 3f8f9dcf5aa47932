"""OpenAPI description of webhooks: the requests to receivers, and parked webhooks."""

from __future__ import annotations

from syncline_protocol.objects import DOCUMENT, TYPES, ObjectType
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


def _events_of(type_: ObjectType) -> tuple[str, ...]:
    """What is reported of an object as a whole: an update only if that changes its data."""
    return ("created", "updated", "removed") if type_ is DOCUMENT else ("created", "removed")


_EVENTS = (
    *(f"{type_.name}_{event}" for type_ in TYPES for event in _events_of(type_)),
    *(
        f"{type_.name}_item_{event}"
        for type_ in TYPES
        if type_.has_items
        for event in ("added", "updated", "removed")
    ),
    "endpoint_connected",
    "endpoint_disconnected",
)

_DATE: JsonObject = {"type": "string", "format": "date-time"}

_JSON_TEXT: JsonObject = {"type": "string", "description": "JSON text."}


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
                **_objects(),
                "DocumentData": _JSON_TEXT,
                "EventId": {"type": "string", "description": "That of the change of an item."},
                "ItemKey": TEXT,
                "ItemIndex": TEXT,
                "ItemRevision": TEXT,
                "ItemData": _JSON_TEXT | {"description": "Of a removed item, the last one."},
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


def _objects() -> JsonObject:
    """The parameters that name the object of an event."""
    named: JsonObject = {}
    for type_ in TYPES:
        kind = type_.name.capitalize()
        named[f"{kind}Sid"] = sid(type_.prefix)
        named[f"{kind}UniqueName"] = named[f"{kind}Revision"] = TEXT
    return named


def _webhook() -> JsonObject:
    return {
        "name": "webhook",
        "in": "path",
        "required": True,
        "description": "The `id` of a parked webhook.",
        "schema": TEXT,
    }
