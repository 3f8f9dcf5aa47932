from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from syncline_protocol.webhook_signature import requested_url, signature

TOKEN = "12345"

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def test_the_vendors_example_is_signed_alike() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309"}
    assert RequestValidator(TOKEN).validate(url, form, signature(TOKEN, url, form))


@given(st.dictionaries(texts, texts), texts)
def test_the_vendors_validator_accepts_every_form(form: dict[str, str], token: str) -> None:
    url = "https://example.com/hooks"
    assert RequestValidator(token).validate(url, form, signature(token, url, form))


def test_another_token_url_or_value_does_not_pass() -> None:
    url, form = "https://example.com/hooks", {"a": "1"}
    signed = signature(TOKEN, url, form)
    assert not RequestValidator("other").validate(url, form, signed)
    assert not RequestValidator(TOKEN).validate(f"{url}/", form, signed)
    assert not RequestValidator(TOKEN).validate(url, {"a": "2"}, signed)


@pytest.mark.parametrize(
    ("url", "requested"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://example.com/a#b", "https://example.com/a"),
        ("http://example.com:8080/a?b=c%20d", "http://example.com:8080/a?b=c%20d"),
    ],
)
def test_the_url_is_the_one_that_is_asked_for(url: str, requested: str) -> None:
    assert requested_url(url) == requested
