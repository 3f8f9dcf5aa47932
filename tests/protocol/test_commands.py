from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from syncline_protocol import commands


@pytest.mark.parametrize("kind", get_args(commands.Command))
def test_a_command_cannot_be_changed_on_its_way_to_the_store(kind: type) -> None:
    names = [member.name for member in dataclasses.fields(kind)]
    command = kind(*["x"] * len(names))

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(command, names[0], "y")


def test_open_alone_creates_an_empty_document_that_never_expires() -> None:
    assert commands.Open(None) == commands.Open(
        None, commands.Mode.OPEN_OR_CREATE, b"{}", ttl=None, revision=None, op=None
    )


def test_writes_are_unconditional_by_default() -> None:
    assert commands.Set("a", b"{}").if_match is None
    assert commands.Patch("a", commands.MergePatch({})).if_match is None
    assert commands.Remove("a").if_match is None
