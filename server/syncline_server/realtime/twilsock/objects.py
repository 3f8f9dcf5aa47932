"""What lists, maps and streams share in the vendor's v3 dialect: the routes of the objects."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Command, Create, Get, Remove, SetTtl
from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.objects import Header, ObjectType
from syncline_server.http.object_forms import ObjectForm
from syncline_server.http.object_parameters import ObjectParameters
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Fetched, Result
from syncline_server.storage.results import sid_forbidden

from .api import VERSION, Action, Call, Reply, Route, Steps

__all__ = [
    "ObjectActions",
    "address_of",
    "ask",
    "no_body",
    "object_path",
    "object_routes",
    "object_url",
    "service_url",
    "url_of_type",
]


def object_path(type_: ObjectType) -> str:
    """The path pattern of one object, with the segment `object`."""
    return f"/{type_.plural.capitalize()}/{{object}}"


def object_routes(actions: ObjectActions) -> tuple[Route, Route]:
    """The routes of the objects of one type."""
    type_ = actions.form.type
    return (
        Route(f"/{type_.plural.capitalize()}", {"POST": Action(actions.create)}),
        Route(
            object_path(type_),
            {
                "GET": Action(actions.fetch, has_body=False),
                "POST": Action(actions.set_ttl),
                "DELETE": Action(actions.remove, has_body=False),
            },
        ),
    )


def ask(command: Command) -> Generator[Command, Result, Any]:
    """Carry out a command. An object that does not exist is `NAME_NOT_FOUND` in this dialect,
    by whatever address."""
    try:
        return (yield command)
    except Refusal as refusal:
        if refusal.code is codes_of(command.type).absent:
            raise Refusal(Code.NAME_NOT_FOUND, refusal.message) from None
        raise


def address_of(call: Call) -> str:
    """The address of the object in the path."""
    return call.names["object"]


def no_body(_: Result, __: ReplyContext) -> Reply:
    """The reply to the removal of an object."""
    return Reply(204)


class ObjectActions:
    """The steps of the actions on the objects of one type."""

    def __init__(self, form: ObjectForm, links: Mapping[str, str] | None = None) -> None:
        """`links`: the last segment of nested resources that only this dialect has, by name."""
        self.form = form
        self.type = form.type
        self._links = {**form.links, **(links or {})}

    def create(self, call: Call, where: ReplyContext) -> Steps:
        """Create an object."""
        given = ObjectParameters.of_new(call.members, self.type, is_strict=False)
        if given.sid is not None:
            raise sid_forbidden(self.type)
        command = Create(given.unique_name, type=self.type, ttl=given.ttl, op=call.operation)
        written = yield from ask(command)
        return Reply(201, self.resource(written.header, where))

    def fetch(self, call: Call, where: ReplyContext) -> Steps:
        """Read an object."""
        fetched: Fetched[Header] = yield from ask(Get(address_of(call), type=self.type))
        return Reply(200, self.resource(fetched.state, where))

    def set_ttl(self, call: Call, where: ReplyContext) -> Steps:
        """Set the time to live, which is all that an update can change."""
        ttl = ObjectParameters.ttl_of(call.members, self.type, is_strict=False)
        command = SetTtl(address_of(call), ttl, type=self.type, op=call.operation)
        written = yield from ask(command)
        return Reply(200, self.resource(written.header, where))

    def remove(self, call: Call, where: ReplyContext) -> Steps:
        """Remove an object."""
        command = Remove(address_of(call), type=self.type, op=call.operation)
        return no_body((yield from ask(command)), where)

    def resource(self, header: Header, where: ReplyContext) -> dict[str, Any]:
        """The properties of an object. Subscribers begin at its `last_event_id`."""
        url = object_url(where, self.type, header.sid)
        resource = native.header_body(header) | {
            "account_sid": where.account_sid,
            "service_sid": where.service_sid,
            "url": url,
            "links": {name: f"{url}/{segment}" for name, segment in self._links.items()},
            "last_event_id": header.revision,
        }
        if not self.form.has_revision:
            del resource["revision"], resource["last_event_id"]
        return resource


def object_url(where: ReplyContext, type_: ObjectType, sid: str) -> str:
    """The URL of an object."""
    return f"{url_of_type(service_url(where), type_)}/{sid}"


def url_of_type(service_url: str, type_: ObjectType) -> str:
    """The URL of all objects of a type."""
    return f"{service_url}/{type_.plural.capitalize()}"


def service_url(where: ReplyContext) -> str:
    """The URL of the service, which begins those of its objects."""
    return f"{where.base_url}{VERSION}/Services/{where.service_sid}"
