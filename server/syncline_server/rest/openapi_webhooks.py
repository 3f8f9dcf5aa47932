"""Parked webhooks in the API's description."""

from __future__ import annotations

from .openapi_parts import (
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
    sid,
)
from .parked_webhooks import COLLECTION

__all__ = ["webhook_paths", "webhook_schemas"]

_DATE: JsonObject = {"type": "string", "format": "date-time"}


def webhook_paths() -> JsonObject:
    """Their `paths`."""
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
                "summary": "Drop a webhook for good",
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


def webhook_schemas() -> JsonObject:
    """Their `schemas`."""
    return {
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


def _webhook() -> JsonObject:
    return {
        "name": "webhook",
        "in": "path",
        "required": True,
        "description": "The `id` of a parked webhook.",
        "schema": TEXT,
    }
