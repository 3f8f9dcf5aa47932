"""OpenAPI paths and schemas of permissions, for every type that has them."""

from __future__ import annotations

from syncline_protocol.identities import IDENTITY_LENGTH
from syncline_protocol.objects import TYPES, ObjectType

from .objects import object_path, schema_name
from .parts import (
    BASIC,
    FLAG,
    TEXT,
    URL,
    JsonObject,
    at_least_one,
    object_schema,
    page,
    paging,
    parameters,
    path_parameter,
    ref,
    refusals,
    reply,
    sid,
)

__all__ = ["permission_paths", "permission_schemas"]

_TYPES = [each for each in TYPES if each.has_permissions]


def permission_paths() -> JsonObject:
    """The `paths` of permissions."""
    return {path: item for type_ in _TYPES for path, item in _paths(type_).items()}


def permission_schemas() -> JsonObject:
    """The `schemas` of permissions."""
    rights = dict.fromkeys(("Read", "Write", "Manage"), FLAG)
    return {
        # A missing right counts as false.
        "UpdatePermissionForm": at_least_one(rights),
        "UpdatePermissionJson": at_least_one(rights),
        **{_name(type_): _permission_schema(type_) for type_ in _TYPES},
        **{f"{_name(type_)}Page": page("permissions", _name(type_)) for type_ in _TYPES},
    }


def _name(type_: ObjectType) -> str:
    return f"{schema_name(type_)}Permission"


def _paths(type_: ObjectType) -> JsonObject:
    path = f"{object_path(type_)}/Permissions"
    return {path: _permissions(type_), f"{path}/{{identity}}": _permission(type_)}


def _permissions(type_: ObjectType) -> JsonObject:
    name = _name(type_)
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name)],
        "get": {
            "operationId": f"List{name}",
            "summary": f"Read a page of the permissions for a {type_.name}",
            "security": BASIC,
            "parameters": paging(),
            "responses": {"200": reply("One page", f"{name}Page"), **refusals(400)},
        },
    }


def _permission(type_: ObjectType) -> JsonObject:
    name = _name(type_)
    identity = path_parameter(
        "identity",
        "Identity that has the permission.",
        {"type": "string", "minLength": 1, "maxLength": IDENTITY_LENGTH},
    )
    return {
        "parameters": [ref("parameters", "service"), ref("parameters", type_.name), identity],
        "get": {
            "operationId": f"Fetch{name}",
            "summary": "Read the permission of an identity",
            "security": BASIC,
            "responses": {"200": reply("The permission", name), **refusals(400)},
        },
        "post": {
            "operationId": f"Update{name}",
            "summary": f"Set what an identity may do with a {type_.name}",
            "security": BASIC,
            "requestBody": {"required": True} | parameters("UpdatePermission"),
            "responses": {"200": reply("Updated", name), **refusals(400, 413, 415)},
        },
        "delete": {
            "operationId": f"Delete{name}",
            "summary": "Delete the permission of an identity",
            "security": BASIC,
            "responses": {"204": {"description": "Deleted"}, **refusals(400)},
        },
    }


def _permission_schema(type_: ObjectType) -> JsonObject:
    return object_schema(
        {
            "account_sid": sid("AC"),
            "service_sid": sid("IS"),
            f"{type_.name}_sid": sid(type_.prefix),
            "identity": TEXT,
            "read": FLAG,
            "write": FLAG,
            "manage": FLAG,
            "url": URL,
        }
    )
