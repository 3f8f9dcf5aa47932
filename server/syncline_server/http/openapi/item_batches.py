"""OpenAPI path and schemas of batches of items."""

from __future__ import annotations

from syncline_protocol.item_batch import OPERATIONS_LIMIT, values_of
from syncline_protocol.item_commands import Verb
from syncline_protocol.item_types import ItemType
from syncline_protocol.items import ChangeKind

from .objects import ACTORS_AND_DATES, schema_name
from .parts import (
    DATE,
    DATE_OR_NULL,
    REVISION,
    REVISION_DIGITS,
    TTL,
    JsonObject,
    json_content,
    nullable,
    object_schema,
    ref,
    refusals,
    reply,
    sid,
)

__all__ = ["batch_path", "batch_schemas"]


def batch_path(items: ItemType) -> JsonObject:
    """The path of batches on the items of one type of collection."""
    name = _name(items)
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", items.type.name)],
        "post": {
            "operationId": name,
            "summary": f"Write up to {OPERATIONS_LIMIT} items of a {items.type.name}, all or none",
            "parameters": [ref("parameters", "idempotencyKey")],
            "requestBody": {"required": True, "content": json_content(name)},
            "responses": {
                "200": reply("All are written", f"{name}Result"),
                **refusals(400, 409, 412, 413, 415),
            },
        },
    }


def batch_schemas(items: ItemType, item_id: JsonObject, data: JsonObject) -> JsonObject:
    """The schemas of batches and of the replies to them.

    Args:
        item_id: schema of the key or index.
        data: schema of the data of an item.
    """
    name = _name(items)
    operations = [_operation(verb, items, item_id, data) for verb in items.verbs]
    return {
        name: object_schema(
            {
                "operations": {
                    "type": "array",
                    "description": "A batch writes each item once.",
                    "minItems": 1,
                    "maxItems": OPERATIONS_LIMIT,
                    "items": {"oneOf": operations},
                },
                "collection_ttl": nullable(TTL),
            },
            ("operations",),
        )
        | {"additionalProperties": False},
        f"{name}Result": _result(items, item_id),
    }


def _name(items: ItemType) -> str:
    return f"Batch{schema_name(items.type)}Items"


def _operation(verb: Verb, items: ItemType, item_id: JsonObject, data: JsonObject) -> JsonObject:
    known: JsonObject = {
        "data": data,
        "ttl": nullable(TTL),
        "if_match": nullable(
            {"type": "string", "pattern": rf'^({REVISION_DIGITS}|"{REVISION_DIGITS}")$'}
        ),
    }
    properties: JsonObject = {"op": {"const": verb.value}}
    if verb is not Verb.ADD or items.has_chosen_keys:
        properties[items.id_name] = item_id
    required = [*properties, *(["data"] if verb in (Verb.ADD, Verb.PUT) else [])]
    properties.update({name: known[name] for name in values_of(verb)})
    operation = object_schema(properties, tuple(required)) | {"additionalProperties": False}
    if verb is Verb.UPDATE:
        operation["anyOf"] = [{"required": [each]} for each in ("data", "ttl")]
    return operation


def _result(items: ItemType, item_id: JsonObject) -> JsonObject:
    def changed(*kinds: ChangeKind, **more: JsonObject) -> JsonObject:
        change: JsonObject = {"enum": [kind.value for kind in kinds]}
        return object_schema(
            {items.id_name: item_id, "change": change, "revision": REVISION, **more}
        )

    written = changed(ChangeKind.ADDED, ChangeKind.UPDATED, **ACTORS_AND_DATES)
    removed = changed(ChangeKind.REMOVED)
    return object_schema(
        {
            f"{items.type.name}_sid": sid(items.type.prefix),
            "revision": REVISION,
            "date_updated": DATE,
            "date_expires": DATE_OR_NULL,
            "items": {"type": "array", "items": {"oneOf": [written, removed]}},
        }
    )
