"""The options `--limit` and `--prefix` of listings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from syncline import JsonObject

__all__ = ["limit_option", "limited", "name_query", "prefix_option", "with_prefix"]

Pages = Iterable[list[JsonObject]]

limit_option = click.option(
    "--limit", type=click.IntRange(1), help="List at most so many.", show_default="all"
)

prefix_option = click.option("--prefix", help="List only those whose name begins with this.")


def limited(pages: Pages, limit: int | None) -> Iterator[list[JsonObject]]:
    """The first `limit` resources; pages beyond are not fetched."""
    for page in pages:
        if limit is None:
            yield page
            continue
        yield page[:limit]
        limit -= len(page)
        if limit <= 0:
            return


def name_query(prefix: str | None) -> dict[str, str]:
    """The query with which the server lists only objects whose names begin with `prefix`."""
    return {"NamePrefix": prefix} if prefix else {}


def with_prefix(
    pages: Pages, prefix: str | None, name: str = "unique_name"
) -> Iterator[list[JsonObject]]:
    """Those whose member `name` begins with `prefix`; every page is fetched."""
    for page in pages:
        yield [each for each in page if prefix is None or (each[name] or "").startswith(prefix)]
