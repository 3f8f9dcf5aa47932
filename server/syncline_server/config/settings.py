"""Every setting of a server, with its default, unit, range and the effect of its limit.

The fields are in the bases of `Settings`, a file each. Each field is also the option `--field-name`
of `syncline serve` and the environment variable `SYNCLINE_FIELD_NAME`; the command line is
generated from the fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .console_settings import ConsoleSettings, check_console
from .limits import Limits
from .networks import Network
from .redis_settings import RedisSettings
from .server_settings import ServerSettings
from .urls import is_loopback
from .validation import (
    SettingError,
    check_oidc,
    check_origins,
    check_range,
    check_service_sid,
    check_test_clock,
    check_url,
    elements,
    networks,
)

__all__ = ["Settings"]

REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)

_PREFIX = re.compile(r"[A-Za-z0-9._:-]{0,64}", re.ASCII)

_NAME = re.compile(r"[!-~]{1,128}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Settings(Limits, ConsoleSettings, RedisSettings, ServerSettings):
    """The settings of a server. The constructor checks all values and raises `SettingError`.

    `fields` gives those of the last base first.
    """

    def __post_init__(self) -> None:
        for each in fields(self):
            check_range(each.name, getattr(self, each.name), each.metadata)
        if self.public_url is not None:
            check_url("public_url", self.public_url, ("http", "https"))
        if self.server_name is not None and not _NAME.fullmatch(self.server_name):
            raise SettingError("--server-name must be 1 to 128 characters, and all of them visible")
        if self.default_service_sid is not None:
            check_service_sid("--default-service-sid", self.default_service_sid)
        if self.redis_url is not None:
            check_url("redis_url", self.redis_url, REDIS_SCHEMES)
        if self.otlp_endpoint is not None:
            check_url("otlp_endpoint", self.otlp_endpoint, ("http", "https"))
        if self.public_url is not None and set(self.public_url) & set("?#"):
            raise SettingError("--public-url must have no query and no fragment")
        if not _PREFIX.fullmatch(self.redis_prefix):
            raise SettingError(
                "--redis-prefix must be up to 64 letters, digits and . _ - : (no braces)"
            )
        for name, origins in (("cors", self.origins), ("ws", self.socket_origins)):
            check_origins(f"--{name}-origins", origins)
        if not self.hosts:
            raise SettingError("--host must be one address, or several separated by commas")
        _ = self.proxies, self.webhook_private_networks, self.demo_client_networks
        check_oidc(self)
        check_console(self)
        check_test_clock(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from JSON values, as `asdict` gives them."""
        return cls(**{**values, "data_dir": Path(values["data_dir"])})

    @property
    def hosts(self) -> list[str]:
        """The addresses in `host`."""
        return elements(self.host)

    @property
    def has_console(self) -> bool:
        """Whether the console is served: `console`, or by the addresses in `host` if it is None."""
        return all(map(is_loopback, self.hosts)) if self.console is None else self.console

    @property
    def origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return elements(self.cors_origins)

    @property
    def socket_origins(self) -> list[str]:
        """The origins in `ws_origins`, or `origins` if it is None."""
        return self.origins if self.ws_origins is None else elements(self.ws_origins)

    @property
    def proxies(self) -> list[Network]:
        """The networks in `trusted_proxies`."""
        return networks("trusted-proxies", self.trusted_proxies)

    @property
    def demo_client_networks(self) -> list[Network]:
        """The networks in `demo_networks`."""
        return networks("demo-networks", self.demo_networks)

    @property
    def webhook_private_networks(self) -> list[Network]:
        """The networks in `webhook_networks`."""
        return networks("webhook-networks", self.webhook_networks)
