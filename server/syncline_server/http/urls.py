"""The absolute URLs in replies; the vendor's helpers follow them unchanged."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import quote

from starlette.requests import Request

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import ObjectType

__all__ = [
    "base_url",
    "connections_url",
    "host_url",
    "item_url",
    "items_url",
    "key_url",
    "keys_url",
    "object_url",
    "objects_url",
    "parked_webhooks_url",
    "permission_url",
    "permissions_url",
    "service_url",
    "services_url",
]

# A host name or an IPv4 address, or an IPv6 address in brackets; then an optional port. A name may
# contain underscores, as container names do, and end with a dot.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(
    rf"(?:(?P<name>{_LABEL}(?:\.{_LABEL})*\.?)|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\])"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_NAME_LENGTH = 253
_LAST_PORT = 65_535


def base_url(request: Request, public_url: str | None) -> str:
    """Base URL of this server, without a trailing slash.

    Args:
        public_url: the setting; if None, the scheme and `Host` of the request are used.

    Raises:
        Refusal: `BAD_REQUEST` if `public_url` is None and the `Host` header is missing or invalid.
    """
    if public_url is not None:
        return public_url.rstrip("/")
    return host_url(request.scope["scheme"], ", ".join(request.headers.getlist("host")))


def host_url(scheme: str, host: str) -> str:
    """The URL of a host with an optional port. Raises `BAD_REQUEST` if `host` is not valid."""
    if not _is_host(host):
        raise Refusal(
            Code.BAD_REQUEST,
            "Host must be one host name with an optional port; "
            f"{fields.show(host) if host else 'none'} was given.",
        )
    return f"{scheme}://{host}"


@lru_cache(maxsize=1024)
def _is_host(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        return False
    if match["v6"] is not None:
        return _is_address(match["v6"])
    name = match["name"].rstrip(".")
    # Browsers take a name whose last label is a number for an IPv4 address, or reject it.
    is_numeric = re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", name.rpartition(".")[2]) is not None
    return len(name) <= _NAME_LENGTH and (not is_numeric or _is_address(name))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def keys_url(base: str) -> str:
    """URL of all API keys."""
    return f"{base}/v1/Keys"


def connections_url(base: str) -> str:
    """URL of all connections."""
    return f"{base}/v1/Connections"


def key_url(base: str, sid: str) -> str:
    """URL of one API key."""
    return f"{keys_url(base)}/{sid}"


def services_url(base: str) -> str:
    """URL of all services."""
    return f"{base}/v1/Services"


def service_url(base: str, sid: str) -> str:
    """URL of one service."""
    return f"{services_url(base)}/{sid}"


def objects_url(base: str, service_sid: str, type_: ObjectType) -> str:
    """URL of the objects of one type of a service."""
    return f"{service_url(base, service_sid)}/{type_.plural.capitalize()}"


def object_url(base: str, service_sid: str, type_: ObjectType, sid: str) -> str:
    """URL of one object."""
    return f"{objects_url(base, service_sid, type_)}/{sid}"


def items_url(collection_url: str) -> str:
    """URL of the items of a list or map."""
    return f"{collection_url}/Items"


def item_url(collection_url: str, item_id: str | int) -> str:
    """URL of one item; a key is one segment, whatever characters it has."""
    return f"{items_url(collection_url)}/{quote(str(item_id), safe='')}"


def parked_webhooks_url(base: str, service_sid: str) -> str:
    """URL of the parked webhooks of a service."""
    return f"{service_url(base, service_sid)}/ParkedWebhooks"


def permissions_url(object_url: str) -> str:
    """URL of the permissions of an object."""
    return f"{object_url}/Permissions"


def permission_url(object_url: str, identity: str) -> str:
    """URL of the permission of one identity."""
    return f"{permissions_url(object_url)}/{quote(identity, safe='@')}"
