"""Webhooks of a real server to a real receiver, whichever of them goes away."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from twilio.rest import Client  # noqa: F401  (its validator is what `Receiver` uses)

from support.account import Account
from support.receiver import Answer, Delivery, Receiver
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket
from support.twilsock import twilsock

ALLOWED = ("--webhook-networks", "127.0.0.0/8")
DOCUMENTS = 6
WRITES = 20
