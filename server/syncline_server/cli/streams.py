"""`syncline stream`: create streams and publish messages from a terminal or a script."""

from __future__ import annotations

import click

from syncline import JsonObject
from syncline.encoding import encode
from syncline_protocol.objects import STREAM

from .access import Access
from .access_options import with_access
from .objects import object_argument, object_group, opened
from .output import show_resource
from .parameters import JsonData

__all__ = ["stream"]

stream = object_group(
    STREAM,
    "Create streams of any server, and publish messages.",
    (
        "syncline stream create cursors",
        """syncline stream publish cursors '{"x": 10}'""",
        "syncline stream watch cursors",
    ),
)


@stream.command()
@object_argument(STREAM)
@click.argument("data", type=JsonData(), metavar="JSON")
@with_access
def publish(access: Access, address: str, data: JsonObject) -> None:
    """Send a message to everyone who has the stream open; it is not stored.

    JSON is an object; "-" reads it from stdin, "@FILE" from a file.
    """
    with opened(access, STREAM) as streams:
        show_resource(streams.publish(address, encode(data)))
