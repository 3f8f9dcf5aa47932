"""OpenAPI paths and schemas that the items of lists and maps share."""

from __future__ import annotations

from syncline_protocol.item_commands import PART_KEYS_LIMIT, Verb
from syncline_protocol.item_keys import INDEX_LIMIT, KEY_LENGTH
from syncline_protocol.item_types import ITEM_TYPES, ItemType
from syncline_server.config.settings import Settings
from syncline_server.http.body import PATCH_TYPES

from .item_batches import batch_path, batch_schemas
from .objects import ACTORS_AND_DATES, object_path, schema_name
from .parts import (
    REVISION,
    TTL,
    URL,
    JsonObject,
    data_schema,
    data_text,
    json_content,
    nullable,
    object_schema,
    page,
    paging,
    parameters,
    parameters_schema,
    path_parameter,
    query,
    ref,
    refusals,
    reply,
    schema,
    sid,
)

__all__ = ["item_paths", "item_schemas", "newest_item"]

_INDEX: JsonObject = {"type": "integer", "minimum": 0, "maximum": INDEX_LIMIT - 1}
_KEY: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": KEY_LENGTH,
    "pattern": r"^(?!\.{1,2}$)",  # no URL path can carry `.` and `..`
}


def item_paths(items: ItemType) -> JsonObject:
    """The `paths` of the items of one type of collection."""
    path = f"{object_path(items.type)}/Items"
    one = _item(items)
    if Verb.PUT in items.verbs:
        one["put"] = _put(items)
    return {
        path: _items(items),
        f"{path}/{{item}}": one,
        f"{object_path(items.type)}/Batch": batch_path(items),
    }


def item_schemas(items: ItemType, settings: Settings) -> JsonObject:
    """The `schemas` of the items of one type of collection."""
    name = _name(items)
    data = data_schema(settings.item_limit)
    text = data_text(data)
    ttls = {
        "Ttl": TTL,
        "ItemTtl": TTL | {"description": "Counts more than Ttl."},
        "CollectionTtl": TTL | {"description": f"Of the {items.type.name}."},
    }
    schemas = {
        name: _resource(items, data),
        f"Written{name}": _written(items, data),
        f"{name}Page": page("items", name),
        **batch_schemas(items, _id_schema(items), data),
    }
    json_ttls = {parameter: nullable(schema) for parameter, schema in ttls.items()}
    form = {"Data": text, **ttls}
    members = {"Data": {"anyOf": [data, text]}, **json_ttls}
    for kind, values in (("Form", form), ("Json", members)):
        key = {"Key": _KEY} if items.has_chosen_keys else {}
        schemas[f"Create{name}{kind}"] = parameters_schema({**key, **values}) | {
            "required": [*key, "Data"]
        }
        schemas[f"Update{name}{kind}"] = parameters_schema(values) | {
            "anyOf": [{"required": [each]} for each in ("Data", "Ttl", "ItemTtl")]
        }
        if Verb.PUT in items.verbs:
            schemas[f"Put{name}{kind}"] = parameters_schema(values) | {"required": ["Data"]}
    return schemas


def newest_item() -> JsonObject:
    """The schema of an item in the `details` of 412."""
    return {"anyOf": [ref("schemas", _name(items)) for items in ITEM_TYPES.values()]}


def _name(items: ItemType) -> str:
    return f"{schema_name(items.type)}Item"


def _id_schema(items: ItemType) -> JsonObject:
    return _KEY if items.has_chosen_keys else _INDEX


def _items(items: ItemType) -> JsonObject:
    name, type_ = _name(items), items.type
    key = ref("parameters", "idempotencyKey")
    headers = [ref("parameters", "ifNoneMatch"), key] if items.has_chosen_keys else [key]
    refused = (400, 409, 412, 413, 415) if items.has_chosen_keys else (400, 409, 413, 415)
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name)],
        "post": {
            "operationId": f"Create{name}",
            "summary": f"Add an item to a {type_.name}",
            "parameters": headers,
            "requestBody": {"required": True} | parameters(f"Create{name}"),
            "responses": {"201": _reply("Added", f"Written{name}"), **refusals(*refused)},
        },
        "get": {
            "operationId": f"List{name}",
            "summary": f"Read a page of the items of a {type_.name}",
            "parameters": [*_listing(items), *paging()],
            "responses": {"200": reply("One page", f"{name}Page"), **refusals(400, 414)},
        },
    }


def _listing(items: ItemType) -> list[JsonObject]:
    return [
        query(
            "Order",
            f"The order by {items.id_name}.",
            {"enum": ["asc", "desc"], "default": "asc"},
        ),
        query(
            "From",
            f"The {items.id_name} to begin with; it need not exist.",
            _id_schema(items),
        ),
        query(
            "Bounds",
            "Whether the item that `From` names belongs to the page.",
            {"enum": ["inclusive", "exclusive"], "default": "inclusive"},
        ),
        query(
            items.id_name.capitalize(),
            "Syncline's own: only the items that this names, each time it is given, on one page. "
            "Without `From` and `PageToken`.",
            {"type": "array", "items": _id_schema(items), "maxItems": PART_KEYS_LIMIT},
        ),
    ]


def _item(items: ItemType) -> JsonObject:
    name, type_ = _name(items), items.type
    unless = ref("parameters", "ifNoneMatch")
    write = [ref("parameters", "ifMatch"), unless, ref("parameters", "idempotencyKey")]
    ttls = [ref("parameters", each) for each in ("ttl", "itemTtl", "collectionTtl")]
    item_id = path_parameter("item", f"The {items.id_name} of an item.", _id_schema(items))
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name), item_id],
        "get": {
            "operationId": f"Fetch{name}",
            "summary": "Read an item",
            "parameters": [unless],
            "responses": {
                "200": _reply("The newest state", name),
                "304": {"description": "The newest state is one that If-None-Match names"},
                **refusals(400),
            },
        },
        "post": {
            "operationId": f"Update{name}",
            "summary": "Replace the data of an item, its expiry or both",
            "parameters": write,
            "requestBody": {"required": True} | parameters(f"Update{name}"),
            "responses": {
                "200": _reply("Updated", f"Written{name}"),
                **refusals(400, 409, 412, 413, 415),
            },
        },
        "patch": {
            "operationId": f"Patch{name}",
            "summary": "Change the newest data of an item by a rule",
            "parameters": [*write, *ttls],
            "requestBody": _patches(),
            "responses": {
                "200": _reply("Updated", f"Written{name}"),
                **refusals(400, 409, 412, 413, 415, 429),
            },
        },
        "delete": {
            "operationId": f"Delete{name}",
            "summary": "Remove an item",
            "parameters": write,
            "responses": {"204": {"description": "Removed"}, **refusals(400, 409, 412)},
        },
    }


def _put(items: ItemType) -> JsonObject:
    name = _name(items)
    new_only = {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*`: create the item, and do not replace one.",
        "schema": {"const": "*"},
    }
    return {
        "operationId": f"Put{name}",
        "summary": "Replace an item, or create it",
        "parameters": [ref("parameters", "ifMatch"), new_only, ref("parameters", "idempotencyKey")],
        "requestBody": {"required": True} | parameters(f"Put{name}"),
        "responses": {
            "200": _reply("Replaced", f"Written{name}"),
            "201": _reply("Created", f"Written{name}"),
            **refusals(400, 409, 412, 413, 415),
        },
    }


def _patches() -> JsonObject:
    kinds = {"merge": "MergePatch", "operations": "OperationsPatch", "increment": "Increment"}
    return {
        "required": True,
        "content": {media: schema(kinds[kind]) for media, kind in PATCH_TYPES.items()},
    }


def _reply(text: str, name: str) -> JsonObject:
    return {
        "description": text,
        "headers": {"ETag": ref("headers", "ETag")},
        "content": json_content(name),
    }


def _resource(items: ItemType, data: JsonObject) -> JsonObject:
    return object_schema(
        {
            items.id_name: _id_schema(items),
            "account_sid": sid("AC"),
            "service_sid": sid("IS"),
            f"{items.type.name}_sid": sid(items.type.prefix),
            "url": URL,
            "revision": REVISION,
            "data": data,
            **ACTORS_AND_DATES,
        }
    )


def _written(items: ItemType, data: JsonObject) -> JsonObject:
    """An item in the reply to a write. `data` is optional: a caller may be allowed to write but not
    to read, and the reply to a repeated operation may lack it."""
    resource = _resource(items, data)
    return resource | {"required": [name for name in resource["required"] if name != "data"]}
