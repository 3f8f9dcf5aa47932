"""The settings of the console's login by a provider, and who they make an administrator."""

from __future__ import annotations

from typing import Any

import pytest

from syncline_server.config.console_settings import admin_rules
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

GOOD: dict[str, Any] = {
    "oidc_issuer": "https://id.example.org",
    "console_oidc_client": "console",
    "console_oidc_admins": "groups=operators",
}


def test_they_need_no_audience() -> None:
    settings = Settings(**GOOD)
    assert (settings.oidc_audience, settings.console_oidc_scope) == (None, "openid email")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"oidc_issuer": None}, "--console-oidc-admins needs --oidc-issuer and"),
        ({"console_oidc_client": None, "oidc_audience": "x"}, "--console-oidc-admins needs"),
        ({"console_oidc_admins": ""}, "--console-oidc-client needs --console-oidc-admins"),
        ({"console": False}, "--console-oidc-admins needs --console"),
        ({"host": "0.0.0.0"}, "--console-oidc-admins needs --console"),
        ({"console_oidc_scope": "email"}, "--console-oidc-scope must contain openid"),
        ({"console_oidc_admins": "operators"}, "must be CLAIM=VALUE pairs"),
        ({"console_oidc_admins": "groups="}, "must be CLAIM=VALUE pairs"),
        ({"console_oidc_admins": "a=b,=c"}, "must be CLAIM=VALUE pairs"),
        ({"console_session": 86_401}, "--console-session must be from 60 to 86400"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(**{**GOOD, **changed})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("claims", "matches"),
    [
        ({"groups": ["staff", "operators"]}, True),
        ({"groups": "operators"}, True),
        ({"groups": "operators,staff"}, False),
        ({"groups": ["Operators"]}, False),
        ({"groups": [["operators"]]}, False),
        ({"groups": None}, False),
        ({}, False),
        ({"email": "a=b@example.org", "email_verified": True}, True),
        ({"email": "a=b@example.org", "email_verified": 1}, False),
        ({"email": "a=b@example.org"}, False),
    ],
)
def test_a_claim_makes_an_administrator(claims: dict[str, Any], matches: bool) -> None:
    rules = admin_rules("groups=operators, email = a=b@example.org ,")
    assert any(rule.matches(claims) for rule in rules) is matches
