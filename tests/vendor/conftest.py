"""Fixtures for the vendor's own libraries, unmodified, against a Syncline server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from support.server import RunningServer

Login = Callable[..., Any]
"""Makes a helper's client from its arguments."""


@pytest.fixture(scope="session")
def login(server: RunningServer) -> Iterator[Login]:
    """Clients of the shared server; the base URL is all that is changed."""
    with ExitStack() as sessions:

        def login(*credentials: str, **options: str) -> Any:
            http = TwilioHttpClient()
            sessions.callback(http.session.close)
            client = Client(*credentials, http_client=http, **options)
            client.sync.base_url = server.url
            return client

        yield login


@pytest.fixture(scope="session")
def service(login: Login, server: RunningServer) -> Any:
    """The default service, for the account."""
    return login(*server.basic).sync.v1.services("default")
