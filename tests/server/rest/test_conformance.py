"""The server does what its description says, whatever is asked of it.

Requests are drawn from `/openapi.json`: what it allows and what it forbids, of what is there and of
what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as of_hypothesis
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.specs.openapi import checks

from support.account import Account
from support.api import unique
from support.keys import KeysApi
from support.server import RunningServer
from syncline_server.rest.openapi import description
from syncline_server.settings import Settings

EXAMPLES = 40
"""For each operation and kind of request."""

some = of_hypothesis(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

described = schemathesis.openapi.from_dict(description(Settings()))

OPERATIONS: dict[str, APIOperation[Any, Any, Any, Any]] = {
    operation.definition.raw["operationId"]: operation
    for operation in (found.ok() for found in described.get_all_operations())
}
"""All of them, by their names."""

STREAM = "StreamDocument"
"""What it answers has no end; a document that is not there has one."""

NOTHING_TO_FORBID = {"Healthz", "Readyz", "ReplayParkedWebhook", "FetchService", "DeleteService"}
