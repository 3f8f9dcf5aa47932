"""The vendor's Python helper library over TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from support.api import unique
from support.certificates import CertificateAuthority
from support.server import RunningServer


@pytest.fixture
def client(
    secure_server: RunningServer, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """It asks `requests`, which takes the trusted authorities from a variable."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    http = TwilioHttpClient()
    client = Client(*secure_server.basic, http_client=http)
    client.sync.base_url = secure_server.url
    yield client
    http.session.close()


def test_documents_are_written_and_listed_page_by_page(
    client: Client, secure_server: RunningServer
) -> None:
    name = unique()
    documents = client.sync.v1.services("default").documents
    assert documents.create(unique_name=name, data={"n": 1}).url.startswith(secure_server.url)
    assert documents(name).update(data={"n": 2}).data == {"n": 2}
    documents.create()
    # The helper follows the URL of the next page as the server gives it.
    assert name in [document.unique_name for document in documents.list(page_size=1)]
    assert documents(name).delete()
