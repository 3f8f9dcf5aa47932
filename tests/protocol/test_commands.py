from __future__ import annotations

import dataclasses

import pytest

from syncline_protocol import commands, documents
from syncline_protocol.objects import ObjectType

STREAM = ObjectType(
    name="stream", plural="streams", prefix="TO", has_items=False, has_permissions=True
)
"""A type beside documents."""


@pytest.mark.parametrize(
    "command",
    [
        commands.Open("a"),
        commands.Create("a"),
        commands.Get("a"),
        commands.SetTtl("a", 60),
        commands.Remove("a"),
        commands.Unsubscribe("a"),
        documents.Set("a", b"{}"),
        documents.Patch("a", documents.MergePatch({})),
    ],
)
def test_a_command_cannot_be_changed_on_its_way_to_the_store(command: commands.Command) -> None:
    for each in dataclasses.fields(command):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(command, each.name, "y")


def test_the_same_name_in_another_type_is_another_object() -> None:
    sid = "TO" + "0a" * 16

    assert commands.Get("a").key != commands.Get("a", type=STREAM).key
    assert commands.Get(sid, type=STREAM).key == sid
    assert commands.Open(None).key is None


def test_open_alone_creates_an_empty_document_that_never_expires() -> None:
    assert commands.Open(None) == commands.Open(
        None, mode=commands.Mode.OPEN_OR_CREATE, data=b"{}", ttl=None, revision=None, op=None
    )


def test_writes_are_unconditional_by_default() -> None:
    assert documents.Set("a", b"{}").if_match is None
    assert documents.Patch("a", documents.MergePatch({})).if_match is None
    assert commands.Remove("a").if_match is None
