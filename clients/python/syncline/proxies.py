"""The proxy between the client and the server: the application's, or that of the environment."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from .exceptions import UsageError

__all__ = ["Proxy", "ProxyChoice", "check_proxy", "find_proxy"]

ProxyChoice = str | Literal[True] | None
"""The URL of a proxy; True for that of the environment, if it names one; None for no proxy."""

SCHEMES = ("http", "https", "socks5", "socks5h")

SOCKS_PACKAGES = {"python_socks": "python-socks", "socksio": "socksio"}
"""What SOCKS needs, by module: the first for WebSockets, the second for HTTP."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is used.

    Attributes:
        url: with credentials, if it has any.
        origin: where it was named: `proxy=`, or a variable of the environment.
    """

    url: str
    origin: str

    def __str__(self) -> str:
        """Without credentials."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} ({self.origin})"


def check_proxy(choice: ProxyChoice) -> None:
    """Look at what the application chose.

    Raises:
        ValueError: it is no proxy's URL.
    """
    if choice is None or choice is True:
        return
    if not isinstance(choice, str) or _fault(choice) is not None:
        raise ValueError(
            "proxy must be True, None or a URL "
            f"({', '.join(f'{scheme}://' for scheme in SCHEMES)}host:port)"
        )


def find_proxy(choice: ProxyChoice, url: str) -> Proxy | None:
    """The proxy for a server at `url`, the same for WebSockets and HTTP.

    Raises:
        UsageError: the environment names a proxy of an unknown kind, or a package is missing that
            the proxy needs.
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
    # `NO_PROXY` may name a port too, and an IPv6 address without brackets.
    if any(urllib.request.proxy_bypass(host) for host in (parts.netloc, parts.hostname or "")):
        return None
    proxies = urllib.request.getproxies()
    for name in (parts.scheme, "all", "socks"):
        if proxies.get(name):
            found = proxies[name]
            if "://" not in found:
                found = f"http://{found}"
            if name == "socks" and found.startswith("http://"):
                # How some systems list a SOCKS proxy.
                found = f"socks5h://{found.removeprefix('http://')}"
            return Proxy(found, f"{name.upper()}_PROXY of the environment")
    return None


def _fault(url: str) -> str | None:
    """What is wrong with a proxy's URL; None if nothing is."""
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
