"""The groups of options in `syncline serve --help` and in `syncline config show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import click

from syncline_server.config.collection_limits import CollectionLimits
from syncline_server.config.limits import Limits
from syncline_server.config.redis_settings import RedisSettings
from syncline_server.config.settings import Settings

__all__ = ["GroupedCommand", "grouped_settings"]

_BY_PREFIX = {
    "tls_": "TLS",
    "hsts": "TLS",
    "oidc_": "Identity provider",
    "webhook_": "Webhooks",
    "log_": "Logs, metrics and traces",
    "otlp_": "Logs, metrics and traces",
    "trace_": "Logs, metrics and traces",
    "metrics_": "Logs, metrics and traces",
    "audit_": "Logs, metrics and traces",
    "demo": "Demo",
    "console": "Console",
    "cors_": "Access from browsers and proxies",
    "ws_": "Access from browsers and proxies",
    "trusted_": "Access from browsers and proxies",
    "public_": "Access from browsers and proxies",
}

_COLLECTION_LIMITS = frozenset(field.name for field in fields(CollectionLimits))
_LIMITS = frozenset(field.name for field in fields(Limits))
_REDIS = frozenset(field.name for field in fields(RedisSettings))

_ORDER = (
    "Server",
    "Redis and durability",
    "TLS",
    "Access from browsers and proxies",
    "Demo",
    "Console",
    "Logs, metrics and traces",
    "Identity provider",
    "Webhooks",
    "Limits of lists, maps and streams",
    "Limits",
)


def grouped_settings() -> Iterator[tuple[str, list[str]]]:
    """The titles of the groups, each with the names of its settings."""
    groups: dict[str, list[str]] = {title: [] for title in _ORDER}
    for field in fields(Settings):
        groups[_title_of(field.name)].append(field.name)
    yield from groups.items()


def _title_of(name: str) -> str:
    if name in _REDIS:
        return "Redis and durability"
    if name in _COLLECTION_LIMITS:
        return "Limits of lists, maps and streams"
    if name in _LIMITS:
        return "Limits"
    return next(
        (title for prefix, title in _BY_PREFIX.items() if name.startswith(prefix)), "Server"
    )


class GroupedCommand(click.Command):
    """A command whose options are the settings, which its help shows in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As in `click.Command`: writes the options."""
        records = {
            parameter.name: record
            for parameter in self.get_params(ctx)
            if (record := parameter.get_help_record(ctx)) is not None
        }
        for title, names in grouped_settings():
            with formatter.section(title):
                formatter.write_dl([records.pop(name) for name in names if name in records])
        with formatter.section("Other options"):
            formatter.write_dl(list(records.values()))
