"""Parameter types of the command line, in addition to those of click."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from syncline import JsonObject
from syncline.options import Server
from syncline_protocol import jsondata
from syncline_protocol.errors import Refusal
from syncline_protocol.identities import IDENTITY_LENGTH, RESERVED, is_reserved
from syncline_server.config.credentials import KEY_SID

__all__ = [
    "Address",
    "Authority",
    "HttpUrl",
    "Identity",
    "ItemId",
    "JsonData",
    "KeySid",
    "Number",
    "PatchData",
    "Url",
    "check_set",
]


class Identity(click.ParamType[str]):
    """The identity in an access token."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not 1 <= len(value) <= IDENTITY_LENGTH:
            self.fail(f"an identity has 1 to {IDENTITY_LENGTH} characters.", param, ctx)
        if is_reserved(value):
            self.fail(RESERVED, param, ctx)
        return _utf8(self, value, param, ctx)


class Address(click.ParamType[str]):
    """The SID or the unique name of an object."""

    def __init__(self, name: str = "document") -> None:
        """`name`: the type of the object."""
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail(f"the name of a {self.name} must not be empty.", param, ctx)
        return _utf8(self, value, param, ctx)


class ItemId(click.ParamType[str]):
    """The key or the index of an item."""

    name = "item"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("the key or index of an item must not be empty.", param, ctx)
        return _utf8(self, value, param, ctx)


class KeySid(click.ParamType[str]):
    """The SID of an API key."""

    name = "SK…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not KEY_SID.fullmatch(value):
            self.fail("the SID of a key is SK and 32 hexadecimal digits in lower case.", param, ctx)
        return str(value)


class Url(click.ParamType[str]):
    """The base URL of a server."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            Server.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


class HttpUrl(click.ParamType[str]):
    """The URL of a receiver of webhooks."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port  # raises if the port is not a number
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            self.fail(f"{value!r} must be http(s)://host/path, without a login.", param, ctx)
        return str(value)


class Authority(click.ParamType[ssl.SSLContext]):
    """A PEM file of certificate authorities, the only ones that are trusted."""

    name = "file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ssl.SSLContext:
        if isinstance(value, ssl.SSLContext):
            return value
        try:
            return ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            self.fail(f"{value} contains no certificate in PEM format.", param, ctx)
        except OSError as error:
            self.fail(f"{value} cannot be read: {error.strerror}.", param, ctx)


class JsonData(click.ParamType[JsonObject]):
    """A JSON object: the text itself, `-` for stdin, or `@` and the name of a file."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> JsonObject:
        if isinstance(value, dict):
            return value
        try:
            data = jsondata.parse(_text(value), "The data")
        except Refusal as refusal:
            self.fail(refusal.message, param, ctx)
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}.", param, ctx)
        if not isinstance(data, dict):
            self.fail("The data must be a JSON object.", param, ctx)
        return data


class PatchData(click.ParamType[JsonObject | list[Any]]):
    """A merge patch (an object) or a JSON patch (an array), given as `JsonData` is."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> JsonObject | list[Any]:
        if isinstance(value, dict | list):
            return value
        try:
            patch = jsondata.parse(_text(value), "The patch")
        except Refusal as refusal:
            self.fail(refusal.message, param, ctx)
        except OSError as error:
            self.fail(f"{value[1:]} cannot be read: {error.strerror}.", param, ctx)
        if not isinstance(patch, dict | list):
            self.fail("The patch must be a JSON object or an array of operations.", param, ctx)
        return patch


class Number(click.ParamType[int | float]):
    """A number, as JSON has it."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        if isinstance(value, int | float):
            return value
        try:
            number = jsondata.parse(value, "The number")
        except Refusal:
            number = None
        if not isinstance(number, int | float) or isinstance(number, bool):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def _text(value: str) -> str | bytes:
    if value == "-":
        return sys.stdin.buffer.read()
    return Path(value[1:]).read_bytes() if value.startswith("@") else value


def _utf8(
    kind: click.ParamType[str], value: str, param: click.Parameter | None, ctx: click.Context | None
) -> str:
    """Return `value`; fail if the shell passed bytes that are not UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        kind.fail("the value is not valid UTF-8.", param, ctx)
    return value


def check_set(
    data: JsonObject | None, ttl: int | None, if_match: str | None, *, create: bool | None = None
) -> None:
    """Check which options of a `set` command go together."""
    if data is None and ttl is None:
        raise click.UsageError("give JSON, or --ttl, or both.")
    if create and (data is None or if_match is not None):
        raise click.UsageError("--create needs JSON and cannot be combined with --if-match.")
