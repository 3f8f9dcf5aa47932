"""Settings of the server itself: addresses, access, logs, identity providers and webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .validation import setting

__all__ = ["ServerSettings"]


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Base of `Settings`."""

    host: str = setting(
        "127.0.0.1",
        "Addresses to listen on, separated by commas; :: also accepts IPv4 where the system can.",
    )
    port: int = setting(8040, "Port to listen on; 0 chooses a free port.", least=0, most=65535)
    data_dir: Path = setting(
        Path("syncline-data"), "Directory for the credentials and the data of the embedded Redis."
    )
    workers: int = setting(
        1,
        "Processes that serve, on one port and one Redis; one per CPU core is enough.",
        least=1,
        most=64,
    )
    worker_timeout: float = setting(
        10.0,
        "Maximum seconds without a heartbeat from a worker; then the supervisor kills and "
        "replaces it.",
        least=2,
        most=3600,
    )
    server_name: str | None = setting(
        None,
        "Name of this server among several on one Redis, in the list of connections; without it, "
        "the name of the machine and the port.",
    )
    demo: bool = setting(
        False, "Serve the demo page at /demo; only clients on this machine get its tokens."
    )
    demo_networks: str = setting(
        "",
        "Networks whose clients also get the demo's tokens, separated by commas: other machines, "
        "which open the page by an IP address, or the gateway of a container.",
    )
    test_clock: bool = setting(
        False,
        "For tests of applications: the account may move the server's time forward "
        "(/v1/TestClock). Only with an embedded Redis, one worker and loopback addresses.",
    )
    until_stdin_ends: bool = setting(
        False,
        "Stop when stdin ends, as it does when the process that started the server has ended.",
    )
    public_url: str | None = setting(
        None, "Base of the URLs in replies; without it, the address that the request was sent to."
    )
    default_service_sid: str | None = setting(
        None,
        "SID of the default service (IS…), an alias of `default`; without it, a random one. If "
        "the data in Redis already have a default service, its SID stays, and both SIDs name "
        "it.",
    )
    cors_origins: str = setting(
        "*", "Origins whose pages may call REST: '*' or a comma-separated list."
    )
    ws_origins: str | None = setting(
        None,
        "Origins whose pages may open WebSockets; without it, those of --cors-origins. Other "
        "origins get a 403.",
    )
    tls_cert: str | None = setting(
        None,
        "PEM file of a certificate and its chain; with --tls-key, the server speaks https and wss.",
    )
    tls_key: str | None = setting(
        None, "PEM file of the private key; only its owner may be able to read it."
    )
    hsts: int = setting(
        0,
        "Seconds for which browsers must use HTTPS for this host name (HSTS); 0 sends no HSTS "
        "header.",
        least=0,
        most=63_072_000,
    )
    trusted_proxies: str = setting(
        "",
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are trusted,"
        " separated by commas.",
    )
    log_format: str = setting("text", "Format of log lines.", choices=("text", "json"))
    log_level: str = setting(
        "info", "Minimum level to log.", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str | None = setting(
        None,
        "Base URL of a collector to send traces to, by OTLP over HTTP; without it, none is sent.",
    )
    trace_ratio: float = setting(
        0.01,
        "Share of requests to trace, where the request itself does not say.",
        least=0,
        most=1,
    )
    trace_limit: int = setting(
        100,
        "Maximum traces that one process starts per second; further requests are not traced.",
        least=1,
        most=10_000,
    )
    metrics_access: str = setting(
        "local",
        "Who may read /metrics without credentials: clients on this machine, or nobody (account).",
        choices=("local", "account"),
    )
    audit_rate: int = setting(
        100,
        "Maximum refusals per second of one process that get an audit line each; one more line "
        "counts the others.",
        least=1,
        most=10_000,
    )
    token_leeway: int = setting(
        10, "Maximum difference of clocks in seconds when a token is checked.", least=0, most=300
    )
    oidc_issuer: str | None = setting(
        None,
        "URL of an OpenID provider whose tokens are accepted too, exactly as in their iss claim.",
    )
    oidc_audience: str | None = setting(
        None, "Audience that the provider's tokens must name in aud; required with --oidc-issuer."
    )
    oidc_jwks_url: str | None = setting(
        None, "URL of the provider's keys; without it, the URL in the provider's configuration."
    )
    oidc_identity_claim: str = setting("sub", "Claim that holds the identity of the token holder.")
    oidc_grants_claim: str | None = setting(
        None,
        "Claim that lists what the token holder may do; without it, all that any token allows.",
    )
    oidc_service: str = setting(
        "default", "Service that the provider's tokens are for: a SID or a unique name."
    )
    oidc_service_claim: str | None = setting(
        None, "Claim that names the service instead; a token without this claim is refused."
    )
    oidc_key_age: float = setting(
        900.0, "Seconds for which fetched keys of the provider are valid.", least=0.1, most=86_400
    )
    oidc_key_grace: float = setting(
        21_600.0,
        "Seconds for which the keys stay valid in addition while the provider cannot be "
        "reached; then its tokens are refused with 20503.",
        least=0,
        most=604_800,
    )
    oidc_refetch_interval: float = setting(
        10.0,
        "Minimum seconds between two fetches because of an unknown key; meanwhile such tokens "
        "are refused with 20503.",
        least=0.1,
        most=3600,
    )
    oidc_timeout: float = setting(
        5.0, "Maximum seconds to wait for an answer of the provider.", least=0.1, most=60
    )
    direct_writes: str = setting(
        "auto",
        "How events are written to plain WebSockets. auto: past the event loop, by a second "
        "descriptor of each connection, in C if the extension was built; python: so, but not in "
        "C; off: by the event loop.",
        choices=("auto", "python", "off"),
    )
    deflate: bool = setting(
        False,
        "Compress events of 256 bytes or more for sockets that offer permessage-deflate, once "
        "for all of them.",
    )
    webhook_networks: str = setting(
        "",
        "Private networks that webhooks may be sent to, such as 10.1.0.0/16, separated by commas.",
    )
    webhook_timeout: float = setting(
        10.0,
        "Maximum seconds to wait for the receiver of a webhook; then the webhook is sent again.",
        least=0.1,
        most=60,
    )
    webhook_retry_time: float = setting(
        3600.0,
        "Seconds after an event in which a failed webhook is sent again; then it is parked.",
        least=0,
        most=604_800,
    )
    webhook_age: float = setting(
        86_400.0,
        "Maximum seconds that a webhook waits for its first attempt; then it is parked.",
        least=1,
        most=2_592_000,
    )
    webhook_queue_limit: int = setting(
        10_000,
        "Maximum webhooks in each of the 256 queues of a service; above, the oldest are dropped.",
        least=1,
        most=10_000_000,
    )
    webhook_parked_limit: int = setting(
        1000,
        "Maximum parked webhooks of a service; above, the oldest are dropped.",
        least=1,
        most=1_000_000,
    )
    webhook_concurrency: int = setting(
        8, "Maximum webhooks of a service that are sent at once.", least=1, most=256
    )
    drain_timeout: float = setting(
        10.0,
        "Maximum seconds that a stopping server waits for its requests to end.",
        least=0,
        most=300,
    )
