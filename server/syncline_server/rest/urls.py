"""The absolute URLs in replies; the vendor's helpers follow them as they are."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.requests import Request

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal

__all__ = [
    "base_url",
    "document_url",
    "documents_url",
    "host_url",
    "permission_url",
    "permissions_url",
    "service_url",
    "services_url",
]

# A host name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)


def base_url(request: Request, public_url: str | None) -> str:
    """Where callers reach this server, without a slash at the end.

    Args:
        public_url: the setting; without it, what the request was addressed to.

    Raises:
        Refusal: `BAD_REQUEST` where that is needed and the `Host` header is missing or no host.
    """
    if public_url is not None:
        return public_url.rstrip("/")
    return host_url(request.url.scheme, ", ".join(request.headers.getlist("host")))


def host_url(scheme: str, host: str) -> str:
    """The URL of a host, with its port if it names one. Raises `BAD_REQUEST` for anything else."""
    if not _HOST.fullmatch(host):
        raise Refusal(
            Code.BAD_REQUEST,
            "Host must be one host name with an optional port; "
            f"{fields.show(host) if host else 'none'} was given.",
        )
    return f"{scheme}://{host}"


def services_url(base: str) -> str:
    """All services."""
    return f"{base}/v1/Services"


def service_url(base: str, sid: str) -> str:
    """One service."""
    return f"{services_url(base)}/{sid}"


def documents_url(base: str, service_sid: str) -> str:
    """The documents of a service."""
    return f"{service_url(base, service_sid)}/Documents"


def document_url(base: str, service_sid: str, sid: str) -> str:
    """One document."""
    return f"{documents_url(base, service_sid)}/{sid}"


def permissions_url(object_url: str) -> str:
    """The permissions for an object."""
    return f"{object_url}/Permissions"


def permission_url(object_url: str, identity: str) -> str:
    """That of one identity."""
    return f"{permissions_url(object_url)}/{quote(identity, safe='@')}"
