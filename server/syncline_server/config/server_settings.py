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
        "Addresses to listen on, with commas between them; :: takes IPv4 too where the system can.",
    )
    port: int = setting(8040, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    data_dir: Path = setting(
        Path("syncline-data"), "Where credentials and the embedded Redis live."
    )
    workers: int = setting(
        1,
        "Processes that serve, on one port and one Redis; one a core is plenty.",
        least=1,
        most=64,
    )
    worker_timeout: float = setting(
        10.0,
        "Seconds that a worker may say nothing to its supervisor; then it is killed and replaced.",
        least=2,
        most=3600,
    )
    demo: bool = setting(
        False, "Serve the demo page at /demo; its tokens are given to this machine only."
    )
    demo_networks: str = setting(
        "",
        "Networks whose callers get the demo's tokens too, with commas between them: those of the "
        "gateway of a container whose port is published on loopback.",
    )
    public_url: str | None = setting(
        None, "Base of the URLs in replies; without it, what the request was addressed to."
    )
    default_service_sid: str | None = setting(
        None,
        "SID of the default service (IS…), which answers to it as to `default`; without it, a "
        "random one. Data whose default service has another SID keep it, and answer to both.",
    )
    cors_origins: str = setting(
        "*", "Origins that browsers may call REST from: '*' or a comma-separated list."
    )
    ws_origins: str | None = setting(
        None,
        "Origins whose pages may open WebSockets; without it, those of --cors-origins. "
        "Others get a 403.",
    )
    tls_cert: str | None = setting(
        None, "PEM file of a certificate and its chain: serves https and wss, with --tls-key."
    )
    tls_key: str | None = setting(None, "PEM file of its private key, which others may not read.")
    hsts: int = setting(
        0,
        "Seconds for which browsers are told to use HTTPS for this host name alone; 0 tells them "
        "nothing.",
        least=0,
        most=63_072_000,
    )
    trusted_proxies: str = setting(
        "",
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are believed: "
        "a comma-separated list.",
    )
    log_format: str = setting(
        "text", "One line an event, as text or JSON.", choices=("text", "json")
    )
    log_level: str = setting(
        "info", "Least level logged.", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str | None = setting(
        None,
        "Base URL of a collector that traces are sent to, by OTLP over HTTP; without it, none.",
    )
    trace_ratio: float = setting(
        0.01,
        "Share of requests that are traced, of those whose caller says nothing.",
        least=0,
        most=1,
    )
    trace_limit: int = setting(
        100,
        "Traces that one process begins per second; what comes beyond is not traced.",
        least=1,
        most=10_000,
    )
    metrics_access: str = setting(
        "local",
        "Who may read /metrics without credentials: callers on this machine, or nobody (account).",
        choices=("local", "account"),
    )
    audit_rate: int = setting(
        100,
        "Refusals per second of one process that get an audit line each; the others are counted "
        "in one line.",
        least=1,
        most=10_000,
    )
    token_leeway: int = setting(
        10, "Seconds by which clocks may differ when a token is checked.", least=0, most=300
    )
    oidc_issuer: str | None = setting(
        None,
        "OpenID provider whose tokens are taken too: its URL, exactly as in the tokens' iss.",
    )
    oidc_audience: str | None = setting(
        None, "What the provider's tokens must have as aud, or among it; needed with an issuer."
    )
    oidc_jwks_url: str | None = setting(
        None, "URL of the provider's keys; without it, what its configuration names."
    )
    oidc_identity_claim: str = setting("sub", "Claim that is the identity of the bearer.")
    oidc_grants_claim: str | None = setting(
        None, "Claim that says what the bearer may do; without it, all that any token may."
    )
    oidc_service: str = setting(
        "default", "Service that the provider's tokens open: a SID or a unique name."
    )
    oidc_service_claim: str | None = setting(
        None, "Claim that names the service instead; a token without it is refused."
    )
    oidc_key_age: float = setting(
        900.0, "Seconds for which the provider's keys are good.", least=0.1, most=86_400
    )
    oidc_key_grace: float = setting(
        21_600.0,
        "Seconds beyond, while the provider is away; then its tokens are refused with 20503.",
        least=0,
        most=604_800,
    )
    oidc_refetch_interval: float = setting(
        10.0,
        "Seconds between two looks for a key that is not known; meanwhile a 20503.",
        least=0.1,
        most=3600,
    )
    oidc_timeout: float = setting(
        5.0, "Seconds that the provider may take for an answer.", least=0.1, most=60
    )
    deflate: bool = setting(
        False,
        "Compress events of 256 bytes and more for sockets that offer permessage-deflate, once "
        "for all of them.",
    )
    webhook_networks: str = setting(
        "",
        "Private networks that webhooks may go to, with commas between them, like 10.1.0.0/16.",
    )
    webhook_timeout: float = setting(
        10.0,
        "Seconds that the receiver of a webhook may take; then it is sent again.",
        least=0.1,
        most=60,
    )
    webhook_retry_time: float = setting(
        3600.0,
        "Seconds from an event on for which a webhook that fails is sent again; then it is parked.",
        least=0,
        most=604_800,
    )
    webhook_age: float = setting(
        86_400.0,
        "Seconds that a webhook may wait for its first attempt; then it is parked.",
        least=1,
        most=2_592_000,
    )
    webhook_queue_limit: int = setting(
        10_000,
        "Webhooks that may wait in each of the 256 queues of a service; then the oldest give way.",
        least=1,
        most=10_000_000,
    )
    webhook_parked_limit: int = setting(
        1000,
        "Webhooks of a service that stay parked; then the oldest give way.",
        least=1,
        most=1_000_000,
    )
    webhook_concurrency: int = setting(
        8, "Webhooks of a service that are sent at once.", least=1, most=256
    )
    drain_timeout: float = setting(
        10.0, "Seconds that a stopping server waits for its requests.", least=0, most=300
    )
