"""OpenAPI paths and schemas that lists, maps and streams share."""

from __future__ import annotations

from syncline_protocol.item_commands import PART_KEYS_LIMIT
from syncline_protocol.item_keys import KEY_LENGTH
from syncline_protocol.item_types import item_type
from syncline_protocol.objects import DOCUMENT, ObjectType
from syncline_server.http.object_forms import ObjectForm

from .parts import (
    DATE,
    DATE_OR_NULL,
    EVENT_STREAM,
    REVISION,
    TEXT,
    TTL,
    UNIQUE_NAME,
    URL,
    JsonObject,
    at_least_one,
    name_prefix,
    nullable,
    object_schema,
    page,
    paging,
    parameters,
    parameters_schema,
    query,
    ref,
    refusals,
    reply,
    sid,
)

__all__ = ["ACTORS_AND_DATES", "object_paths", "object_schemas", "object_path", "schema_name"]

ACTORS_AND_DATES: JsonObject = {
    "date_created": DATE,
    "date_updated": DATE,
    "date_expires": DATE_OR_NULL,
    "created_by": TEXT,
    "updated_by": TEXT,
}


def schema_name(type_: ObjectType) -> str:
    """The name of the type in the vendor's names of operations."""
    name = type_.name.capitalize()
    return name if type_ is DOCUMENT else f"Sync{name}"


def object_path(type_: ObjectType) -> str:
    """The path of one object."""
    return f"{_collection(type_)}/{{{type_.name}}}"


def _collection(type_: ObjectType) -> str:
    return f"/v1/Services/{{service}}/{type_.plural.capitalize()}"


def object_paths(form: ObjectForm) -> JsonObject:
    """The `paths` of the objects of one type."""
    type_ = form.type
    return {
        _collection(type_): _objects(type_),
        object_path(type_): _object(type_),
        f"{object_path(type_)}/Events": _events(type_),
    }


def object_schemas(form: ObjectForm) -> JsonObject:
    """The `schemas` of the objects of one type."""
    name = schema_name(form.type)
    ttls = {"Ttl": TTL}
    if form.type.has_items:
        ttls["CollectionTtl"] = TTL | {"description": "Counts more than Ttl."}
    chosen = sid(form.type.prefix) | {
        "description": "Chosen by the account; without it, a random one."
    }
    new = {"UniqueName": UNIQUE_NAME, "Sid": chosen, **ttls}
    new_json = {parameter: nullable(schema) for parameter, schema in new.items()}
    ttls_json = {parameter: nullable(schema) for parameter, schema in ttls.items()}
    return {
        name: _resource(form),
        f"{name}Page": page(form.type.plural, name),
        f"Create{name}Form": parameters_schema(new),
        f"Create{name}Json": parameters_schema(new_json),
        f"Update{name}Form": at_least_one(ttls),
        f"Update{name}Json": at_least_one(ttls_json),
    }


def _objects(type_: ObjectType) -> JsonObject:
    name = schema_name(type_)
    return {
        "parameters": [ref("parameters", "service")],
        "post": {
            "operationId": f"Create{name}",
            "summary": f"Create a {type_.name}",
            "parameters": [ref("parameters", "idempotencyKey")],
            "requestBody": parameters(f"Create{name}"),
            "responses": {"201": reply("Created", name), **refusals(400, 409, 413, 415)},
        },
        "get": {
            "operationId": f"List{name}",
            "summary": f"Read a page of the {type_.plural} of a service",
            "parameters": [name_prefix(), *paging()],
            "responses": {"200": reply("One page", f"{name}Page"), **refusals(400, 429)},
        },
    }


def _object(type_: ObjectType) -> JsonObject:
    name = schema_name(type_)
    key = ref("parameters", "idempotencyKey")
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name)],
        "get": {
            "operationId": f"Fetch{name}",
            "summary": f"Read a {type_.name}",
            "responses": {"200": reply("The newest state", name), **refusals(400)},
        },
        "post": {
            "operationId": f"Update{name}",
            "summary": f"Set the expiry of a {type_.name}",
            "parameters": [key],
            "requestBody": {"required": True} | parameters(f"Update{name}"),
            "responses": {"200": reply("Updated", name), **refusals(400, 409, 413, 415)},
        },
        "delete": {
            "operationId": f"Delete{name}",
            "summary": f"Remove a {type_.name}"
            + (", and all its items in the background" if type_.has_items else ""),
            "parameters": [key],
            "responses": {"204": {"description": "Removed"}, **refusals(400, 409)},
        },
    }


def _events(type_: ObjectType) -> JsonObject:
    names = "`items`, `reset`" if type_.has_items else "`message`, `missed`"
    # Many long keys, or many indexes, make a URL that is too long.
    refused = refusals(400, 414) if type_.has_items else refusals(400)
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name)],
        "get": {
            "operationId": f"Stream{schema_name(type_)}",
            "summary": f"Subscribe to a {type_.name}: `state`, {names}, `expiry`, `removed` and "
            "`closing`",
            "parameters": [ref("parameters", "lastEventId"), *_part(type_)],
            "responses": {"200": EVENT_STREAM, **refused},
        },
    }


def _part(type_: ObjectType) -> list[JsonObject]:
    """The query parameters that choose the first page, and the items to subscribe to."""
    if not type_.has_items:
        return []
    items = item_type(type_)
    size = {"type": "integer", "minimum": 1, "maximum": 500}
    keys = {"type": "array", "items": TEXT, "maxItems": PART_KEYS_LIMIT}
    part = [
        query("Items", "Items in the first page; without it there is none.", size),
        query(items.id_name.capitalize(), "Only items with these.", keys),
    ]
    if items.has_chosen_keys:
        prefix = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH}
        part.append(query("Prefix", "Only items whose key begins with this.", prefix))
    return part


def _resource(form: ObjectForm) -> JsonObject:
    return object_schema(
        {
            "sid": sid(form.type.prefix),
            "unique_name": {"type": ["string", "null"]},
            "account_sid": sid("AC"),
            "service_sid": sid("IS"),
            "url": URL,
            "links": object_schema(dict.fromkeys(form.links, URL)),
            **({"revision": REVISION} if form.has_revision else {}),
            **ACTORS_AND_DATES,
        }
    )
