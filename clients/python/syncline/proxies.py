"""Choice of the proxy: from the application or the environment."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from .errors import UsageError

__all__ = ["Proxy", "ProxyChoice", "check_proxy", "find_proxy"]

ProxyChoice = str | Literal[True] | None
"""URL of a proxy; True for the proxy of the environment, if any; None for no proxy."""

SCHEMES = ("http", "https", "socks5", "socks5h")

SOCKS_PACKAGES = {"python_socks": "python-socks", "socksio": "socksio"}
"""Packages that SOCKS needs, by module: the first for WebSockets, the second for HTTP."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy in use.

    Attributes:
        url: URL, including any credentials.
        origin: where the URL comes from: `proxy=` or an environment variable.
    """

    url: str
    origin: str

    def __str__(self) -> str:
        """URL without credentials, and origin."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} ({self.origin})"


def check_proxy(choice: ProxyChoice) -> None:
    """Check the `proxy` option of the application.

    Raises:
        ValueError: `choice` is not the URL of a proxy.
    """
    if choice is None or choice is True:
        return
    if not isinstance(choice, str) or _fault(choice) is not None:
        raise ValueError(
            "proxy must be True, None or a URL "
            f"({', '.join(f'{scheme}://' for scheme in SCHEMES)}host:port)"
        )


def find_proxy(choice: ProxyChoice, url: str) -> Proxy | None:
    """Find the proxy for the server at `url`, for WebSockets and HTTP alike; None for no proxy.

    Raises:
        UsageError: the proxy of the environment is not supported, or a package that the proxy needs
            is missing.
    """
    proxy = _of_environment(url) if choice is True else choice and Proxy(choice, "proxy=")
    if not proxy:
        return None
    fault = _fault(proxy.url)
    if fault is not None:
        raise UsageError(f"the proxy {proxy} cannot be used: {fault}")
    if proxy.url.lower().startswith("socks"):
        missing = [name for module, name in SOCKS_PACKAGES.items() if find_spec(module) is None]
        if missing:
            raise UsageError(
                f"the proxy {proxy} needs {' and '.join(missing)}: "
                "pip install 'syncline[socks]', or connect(…, proxy=None) for no proxy"
            )
    return proxy


def _of_environment(url: str) -> Proxy | None:
    parts = urlsplit(url)
    # `NO_PROXY` may contain a port, and an IPv6 address without brackets: check both forms.
    if any(urllib.request.proxy_bypass(host) for host in (parts.netloc, parts.hostname or "")):
        return None
    proxies = urllib.request.getproxies()
    for name in (parts.scheme, "all", "socks"):
        if proxies.get(name):
            found = proxies[name]
            if "://" not in found:
                found = f"http://{found}"
            if name == "socks" and found.startswith("http://"):
                # Some systems list a SOCKS proxy without its scheme, or as `http:`.
                found = f"socks5h://{found.removeprefix('http://')}"
            return Proxy(found, f"{name.upper()}_PROXY of the environment")
    return None


def _fault(url: str) -> str | None:
    """Describe what is wrong with the URL of a proxy; None if nothing is."""
    try:
        parts = urlsplit(url)
        host = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in SCHEMES:
        return f"its scheme is none of {', '.join(SCHEMES)}"
    if not host[0]:
        return "it names no host"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "it has more than a scheme, a host and a port"
    if parts.username is not None and parts.password is None:
        return "it has a user name and no password"
    return None
