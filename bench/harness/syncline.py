"""Syncline as a target, with subscribers on each of its wires."""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from syncline_protocol import __version__, twilsock
from syncline_protocol.access_tokens import CONTENT_TYPE
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials, load_credentials

from .target import Command, Site, Target
from .tokens import make_tokens

__all__ = [
    "Confirming",
    "Native",
    "Syncline",
    "Twilsock",
    "authorization",
    "create_map",
    "native_login",
    "own_tokens",
    "token",
]

SYNCLINE = Path(sys.executable).with_name("syncline")
TOKEN_LIFE = 86_400
SID_SIZE = 34


class Syncline(Target):
    """The server with higher limits: all clients share one address and one identity."""

    persistent = True
    options: tuple[str, ...] = ()

    def versions(self) -> dict[str, str]:
        return {"syncline": __version__, "python": sys.version.split()[0]}

    def command(self, site: Site) -> Command:
        options = [
            f"--port={site.port}",
            f"--redis-url={site.redis}",
            f"--data-dir={_data(site)}",
            "--log-level=warning",
            "--connect-rate=100000",
            "--identity-rate=10000000",
            "--connection-rate=1000000",
            "--max-in-flight=1024",
        ]
        return Command([str(SYNCLINE), "serve", *options, *self.options])

    def prepare(self, site: Site) -> None:
        """Create the documents."""
        for number in range(site.documents):
            create(site, f"bench-{number:05}", {"text": ""})

    def writer(self, site: Site) -> list[str]:
        """Writers use the native protocol, whichever wire the subscribers use."""
        return [
            *native_login(site),
            'publish {"id":{id},"do":"set","document":"bench-{doc}","data":{"text":"{text}"}}',
            'ack-id {"id":',
            'refused "error"',
        ]


class Native(Syncline):
    """Subscribers use the native protocol, `syncline.v1`."""

    name = "Syncline, native"

    def subscriber(self, site: Site) -> list[str]:
        return [*native_login(site), *self._open]

    def arrivals(self, site: Site, count: int) -> list[str]:
        return [_own_tokens(site, count), *_native_login("{token}"), *self._open]

    _open = (
        "for-each",
        'send {"id":2,"do":"open","document":"bench-{doc}"}',
        'expect {"id":2,"ok"',
        "done",
    )


class Twilsock(Syncline):
    """Subscribers use Twilsock, the protocol of the vendor's SDKs."""

    name = "Syncline, Twilsock"
    object_type = "document"

    def sids(self, site: Site) -> list[str]:
        """The SIDs of the objects that are subscribed to."""
        return [sid_of(site, f"bench-{number:05}") for number in range(site.documents)]

    def subscriber(self, site: Site) -> list[str]:
        return self._subscriber(site, token(site))

    def arrivals(self, site: Site, count: int) -> list[str]:
        tokens = _own_tokens(site, count)
        size = len(tokens.rpartition(" ")[2])
        return [tokens, *self._subscriber(site, "{token}", size)]

    def _subscriber(self, site: Site, text: str, size: int | None = None) -> list[str]:
        subscription = _SUBSCRIPTION.replace("{type}", self.object_type)
        header = {"active_grant": "data_sync", "http_request": _SUBSCRIPTIONS}
        return [
            "path /v3/wsconnect",
            "frame binary",
            f"list sid doc {' '.join(self.sids(site))}",
            f"send {_init(text, len(text) if size is None else size)}",
            'expect "code":200',
            "for-each",
            f"send {_packet('message', header, subscription)}",
            "expect subscription_established",
            "done",
            f"reply {_PING} -> {_PONG}",
        ]


class Confirming(Twilsock):
    """Subscribers reply to each event, as the vendor's SDKs do; the server reads the replies."""

    name = "Syncline, Twilsock, confirming"

    def subscriber(self, site: Site) -> list[str]:
        return [*super().subscriber(site), f"confirm {_NOTIFICATION} -> {_CONFIRMATION}"]


_SUBSCRIPTIONS = {"method": "POST", "host": "sync", "path": "/v4/Subscriptions", "headers": {}}
_SUBSCRIPTION = (
    '{"event_protocol_version":4,"action":"establish","correlation_id":1,'
    '"requests":[{"object_sid":"{sid}","object_type":"{type}"}]}'
)


def credentials(site: Site) -> Credentials:
    """The credentials of the server on this site."""
    return load_credentials(_data(site), {})


def token(site: Site) -> str:
    """Make an access token for the server on this site."""
    return mint_token(credentials(site), "bench", TOKEN_LIFE)


def authorization(site: Site) -> str:
    """Value of the `Authorization` header with the account's Basic login."""
    known = credentials(site)
    login = f"{known.account_sid}:{known.auth_token}".encode()
    return f"Basic {base64.b64encode(login).decode()}"


def create(site: Site, name: str, data: dict[str, object]) -> None:
    """Create a document over REST."""
    _call(site, "/Documents", {"UniqueName": name, "Data": json.dumps(data)})


def create_map(site: Site, name: str) -> str:
    """Create a map over REST, or find the one with this name; its SID."""
    try:
        return str(_call(site, f"/Maps/{name}", None)["sid"])
    except urllib.error.HTTPError:
        return str(_call(site, "/Maps", {"UniqueName": name})["sid"])


def sid_of(site: Site, name: str) -> str:
    """The SID of a document."""
    return str(_call(site, f"/Documents/{name}", None)["sid"])


def _call(site: Site, path: str, form: dict[str, str] | None) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.port}/v1/Services/default{path}",
        None if form is None else urllib.parse.urlencode(form).encode(),
        {"Authorization": authorization(site)},
    )
    with urllib.request.urlopen(request) as reply:
        body: dict[str, object] = json.load(reply)
        return body


def _data(site: Site) -> Path:
    return site.directory / "data"


def native_login(site: Site) -> list[str]:
    """Lines of a load script with which a client connects and authenticates."""
    return _native_login(token(site))


def _native_login(text: str) -> list[str]:
    return [
        "path /v1/ws",
        "header Sec-WebSocket-Protocol: syncline.v1",
        f'send {{"id":1,"do":"auth","token":"{text}"}}',
        'expect {"id":1,"ok"',
    ]


def own_tokens(site: Site, count: int) -> list[str]:
    """New tokens for the server on this site, of equal length, for `count` identities."""
    known = credentials(site)
    key, secret = next(iter(known.api_keys.items()))
    claims = {"iss": key, "sub": known.account_sid}
    grants = {"data_sync": {"service_sid": "default"}}

    def named(identity: str) -> dict[str, object]:
        return {**claims, "grants": {"identity": identity, **grants}}

    return make_tokens(secret, count, named, cty=CONTENT_TYPE)


def _own_tokens(site: Site, count: int) -> str:
    """A line of a load script that names a token for each connection, `{token}`."""
    return f"list token n {' '.join(own_tokens(site, count))}"


def _init(token: str, size: int) -> str:
    """Template of `init`; `size`: characters of the rendered token."""
    packet = _packet("init", {"token": "x" * size, "capabilities": []})
    return packet.replace("x" * size, token)


def _packet(method: str, header: Mapping[str, object], payload: str = "") -> str:
    """Template of a packet; the sizes in it are those of the rendered packet."""
    rendered = payload.replace("{sid}", "E" * SID_SIZE).encode()
    packet = twilsock.encode({"method": method, "id": "1", **header}, rendered)
    head = packet.removesuffix(rendered).decode()
    return (head + payload).replace("\r\n", "\\r\\n")


_EVENT_ID_SIZE = SID_SIZE + len("-") + len("1806543210987654")
_NOTIFICATION = '"method":"notification","id":"'
_CONFIRMATION = (
    twilsock.encode_reply("i" * _EVENT_ID_SIZE)
    .decode()
    .replace("i" * _EVENT_ID_SIZE, "{word}")
    .replace("\r\n", "\\r\\n")
)
_PING = twilsock.encode_ping("ping").decode().replace("\r\n", "\\r\\n")
_PONG = twilsock.encode_reply("ping").decode().replace("\r\n", "\\r\\n")
