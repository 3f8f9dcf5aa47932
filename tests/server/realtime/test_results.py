from __future__ import annotations

from dataclasses import replace

import pytest

from syncline_protocol.commands import Command, Remove, SetTtl
from syncline_protocol.documents import Document, Increment, Patch, Set
from syncline_server.realtime.results import tells_data
from syncline_server.storage.results import Written

DOCUMENT = Document(
    sid="ET1",
    unique_name=None,
    revision=1,
    data=b"{}",
    created_ms=0,
    updated_ms=0,
    expires_ms=None,
    created_by="alice",
    updated_by="alice",
)
PATCH = Patch("ET1", Increment({"/n": 1}))


@pytest.mark.parametrize(
    ("command", "data", "has_data"),
    [
        (Set("ET1", b"{}"), b"{}", True),
        (Set("ET1", b"{}"), b"", True),
        (SetTtl("ET1", 1), b"{}", False),
        (PATCH, b"{}", True),
        (PATCH, b"", False),
        (Remove("ET1"), b"{}", False),
    ],
)
def test_who_wrote_has_the_data_of_a_set_or_of_the_answer_to_a_patch(
    command: Command, data: bytes, has_data: bool
) -> None:
    written = Written(replace(DOCUMENT, data=data), repeated=False)

    assert tells_data(command, written) is has_data
    assert not tells_data(command, replace(written, repeated=True))
