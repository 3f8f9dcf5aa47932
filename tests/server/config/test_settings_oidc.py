"""The settings of an identity provider, and which of them need each other."""

from __future__ import annotations

from typing import Any

import pytest

from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

ISSUER = "https://id.example.org/realms/a"


def refusal(**given: Any) -> str:
    with pytest.raises(SettingError) as caught:
        Settings(**given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_there_is_none_at_first() -> None:
    assert Settings().oidc_issuer is None


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/", "http://127.0.0.1:8080", "http://[::1]"])
def test_an_issuer_with_an_audience(issuer: str) -> None:
    settings = Settings(oidc_issuer=issuer, oidc_audience="syncline")
    assert settings.oidc_issuer == issuer


@pytest.mark.parametrize("name", ["oidc_issuer", "oidc_jwks_url"])
@pytest.mark.parametrize(
    "url", ["", "id.example.org", "http://id.example.org", "https://u:secret@id.example.org"]
)
def test_a_url_that_is_not_safe_is_refused_and_not_repeated(name: str, url: str) -> None:
    given = {"oidc_issuer": ISSUER, "oidc_audience": "syncline", name: url}
    said = refusal(**given)
    assert said.startswith(f"--{name.replace('_', '-')} must be an https:// URL")
    assert "secret" not in said


@pytest.mark.parametrize("end", ["?a=b", "#a"])
def test_an_issuer_has_no_query_and_no_fragment(end: str) -> None:
    said = refusal(oidc_issuer=ISSUER + end, oidc_audience="syncline")
    assert said == "--oidc-issuer must have no query and no fragment"


@pytest.mark.parametrize("audience", [None, ""])
def test_an_issuer_needs_an_audience(audience: str | None) -> None:
    said = refusal(oidc_issuer=ISSUER, oidc_audience=audience)
    assert said == "--oidc-issuer needs --oidc-audience"


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_audience": "syncline"},
        {"oidc_jwks_url": f"{ISSUER}/keys"},
        {"oidc_grants_claim": "sync_grants"},
        {"oidc_service_claim": "tenant"},
    ],
)
def test_what_is_of_no_use_without_an_issuer(given: dict[str, Any]) -> None:
    assert refusal(**given).endswith("need --oidc-issuer")


@pytest.mark.parametrize(
    "name", ["oidc_identity_claim", "oidc_grants_claim", "oidc_service", "oidc_service_claim"]
)
def test_a_name_is_not_empty(name: str) -> None:
    given = {"oidc_issuer": ISSUER, "oidc_audience": "syncline", name: ""}
    assert refusal(**given) == f"--{name.replace('_', '-')} must not be empty"
