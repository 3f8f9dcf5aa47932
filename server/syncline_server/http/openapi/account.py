"""OpenAPI paths and schemas of services."""

from __future__ import annotations

from syncline_protocol.objects import TYPES
from syncline_server.http.api.service_parameters import (
    FRIENDLY_NAME_LENGTH,
    LONGEST_WINDOW,
    SHORTEST_WINDOW,
    WEBHOOK_URL_LENGTH,
)

from .parts import (
    BASIC,
    FLAG,
    TEXT,
    URL,
    URL_OR_NULL,
    JsonObject,
    at_least_one,
    object_schema,
    page,
    paging,
    parameters,
    parameters_schema,
    ref,
    refusals,
    reply,
    sid,
)

__all__ = ["account_paths", "account_schemas"]

SERVICES = "/v1/Services"

_WINDOW: JsonObject = {"type": "integer", "minimum": SHORTEST_WINDOW, "maximum": LONGEST_WINDOW}


def account_paths() -> JsonObject:
    """The `paths` of services."""
    return {
        SERVICES: _services(),
        f"{SERVICES}/{{service}}": _service(),
    }


def account_schemas(date: JsonObject) -> JsonObject:
    """The `schemas` of services; `date`: schema of a point in time."""
    return {
        "Service": _service_schema(date),
        "ServicePage": page("services", "Service"),
        "CreateServiceForm": parameters_schema(_creation(form=True)),
        "CreateServiceJson": parameters_schema(_creation(form=False)),
        "UpdateServiceForm": at_least_one(_parameters(form=True)),
        "UpdateServiceJson": at_least_one(_parameters(form=False)),
    }


def _services() -> JsonObject:
    return {
        "post": {
            "operationId": "CreateService",
            "summary": "Create a service",
            "security": BASIC,
            "requestBody": parameters("CreateService"),
            "responses": {"201": reply("Created", "Service"), **refusals(400, 409, 413, 415)},
        },
        "get": {
            "operationId": "ListService",
            "summary": "Read a page of the services",
            "security": BASIC,
            "parameters": paging(),
            "responses": {"200": reply("One page", "ServicePage"), **refusals(400)},
        },
    }


def _service() -> JsonObject:
    return {
        "parameters": [ref("parameters", "service")],
        "get": {
            "operationId": "FetchService",
            "summary": "Read a service",
            "security": BASIC,
            "responses": {"200": reply("The newest state", "Service"), **refusals(400)},
        },
        "post": {
            "operationId": "UpdateService",
            "summary": "Change the settings of a service",
            "security": BASIC,
            "requestBody": {"required": True} | parameters("UpdateService"),
            "responses": {"200": reply("Updated", "Service"), **refusals(400, 413, 415)},
        },
        "delete": {
            "operationId": "DeleteService",
            "summary": "Delete a service and, in the background, all its data",
            "security": BASIC,
            "responses": {"204": {"description": "Deleted"}, **refusals(400)},
        },
    }


def _creation(*, form: bool) -> JsonObject:
    parameters = _parameters(form=form)
    # An empty value is how the vendor's helpers send null; it counts as missing.
    may_be_empty = {
        name: {"anyOf": [schema, {"enum": [""]}]}
        for name, schema in parameters.items()
        if name not in ("FriendlyName", "WebhookUrl")
    }
    return {
        "Sid": sid("IS") | {"description": "Of the new service; without it, a random one."},
        **parameters,
        **may_be_empty,
    }


def _parameters(*, form: bool) -> JsonObject:
    name: JsonObject = {"maxLength": FRIENDLY_NAME_LENGTH}
    address: JsonObject = {
        "maxLength": WEBHOOK_URL_LENGTH,
        "pattern": "^(|[Hh][Tt][Tt][Pp][Ss]?://.+)$",
    }
    nullable: JsonObject = TEXT if form else {"type": ["string", "null"]}
    return {
        "FriendlyName": nullable | name,
        "WebhookUrl": nullable | address | {"description": "Where events are sent; or empty."},
        "WebhooksFromRestEnabled": FLAG,
        "ReachabilityWebhooksEnabled": FLAG,
        "AclEnabled": FLAG,
        "ReachabilityDebouncingEnabled": FLAG,
        "ReachabilityDebouncingWindow": _WINDOW,
    }


def _service_schema(date: JsonObject) -> JsonObject:
    links = dict.fromkeys((each.plural for each in TYPES), URL)
    return object_schema(
        {
            "sid": sid("IS"),
            "unique_name": {"type": ["string", "null"]},
            "account_sid": sid("AC"),
            "friendly_name": {"type": ["string", "null"]},
            "date_created": date,
            "date_updated": date,
            "url": URL,
            "webhook_url": URL_OR_NULL,
            "webhooks_from_rest_enabled": FLAG,
            "reachability_webhooks_enabled": FLAG,
            "acl_enabled": FLAG,
            "reachability_debouncing_enabled": FLAG,
            "reachability_debouncing_window": _WINDOW,
            "links": object_schema(links),
        }
    )
