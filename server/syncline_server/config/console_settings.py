"""Settings of the console, and of its login by an OpenID provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .validation import SettingError, elements, setting

__all__ = ["AdminRule", "ConsoleSettings", "admin_rules", "check_console"]


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """Base of `Settings`."""

    console: bool | None = setting(
        None,
        "Serve the console at /console, a page to operate the server, for the account and its API "
        "keys; without it, only where the server listens on this machine alone.",
    )
    console_oidc_admins: str = setting(
        "",
        "Who may log in to the console by the provider of --oidc-issuer, and then do all that the "
        "account may: CLAIM=VALUE pairs separated by commas, such as groups=operators; one that "
        "matches is enough.",
    )
    console_oidc_client: str | None = setting(
        None,
        "Client id of the console at the provider; required with --console-oidc-admins. Its secret,"
        " if it has one, is in SYNCLINE_CONSOLE_OIDC_SECRET.",
    )
    console_oidc_scope: str = setting(
        "openid email", "Scopes that the console requests from the provider; openid among them."
    )
    console_oidc_logins: int = setting(
        10,
        "Maximum logins to the console that one process checks with the provider at once; more are "
        "refused with 20503.",
        least=1,
        most=1000,
    )
    console_session: int = setting(
        28_800,
        "Seconds that a login to the console by the provider lasts.",
        least=60,
        most=86_400,
    )
    console_sessions: int = setting(
        100,
        "Maximum such logins at once; one more ends the one that began first.",
        least=1,
        most=1000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRule:
    """A claim of an ID token that makes its holder an administrator."""

    claim: str
    value: str

    def matches(self, claims: Mapping[str, Any]) -> bool:
        """True if the claim is the value, or a list that contains it.

        An address that the provider has not verified matches nothing: its holder may have chosen
        it.
        """
        if self.claim == "email" and claims.get("email_verified") is not True:
            return False
        found = claims.get(self.claim)
        return self.value in (found if isinstance(found, list) else [found])


def admin_rules(text: str) -> list[AdminRule]:
    """The rules in `console_oidc_admins`. Raises `SettingError`."""
    rules = []
    for element in elements(text):
        claim, separator, value = (part.strip() for part in element.partition("="))
        if not (claim and separator and value):
            raise SettingError(
                "--console-oidc-admins must be CLAIM=VALUE pairs such as groups=operators, "
                f"separated by commas, not {element!r}"
            )
        rules.append(AdminRule(claim=claim, value=value))
    return rules


def check_console(settings: Any) -> None:
    """Check the settings of the console's login, which depend on each other. Raises
    `SettingError`."""
    rules = admin_rules(settings.console_oidc_admins)
    if not rules:
        if settings.console_oidc_client is not None:
            raise SettingError("--console-oidc-client needs --console-oidc-admins")
        return
    if settings.oidc_issuer is None or not settings.console_oidc_client:
        raise SettingError("--console-oidc-admins needs --oidc-issuer and --console-oidc-client")
    if not settings.has_console:
        raise SettingError("--console-oidc-admins needs --console")
    if "openid" not in settings.console_oidc_scope.split():
        raise SettingError("--console-oidc-scope must contain openid")
