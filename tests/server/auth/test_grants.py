from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import NAME_LENGTH
from syncline_protocol.objects import DOCUMENT, TYPES, ObjectType
from syncline_server.auth.grants import GRANTS_LIMIT, Grant, Grants
from syncline_server.storage.rights import Right

READ_WRITE = Right.READ | Right.WRITE


def claim(pattern: Any = "room-*", rights: Any = ("read",)) -> dict[str, Any]:
    return {"documents": pattern, "rights": list(rights) if isinstance(rights, tuple) else rights}


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("news", ["news"], ["New", "news ", "news-1", "", "NEWS"]),
        ("room-*", ["room-", "room-1", "room-*", "room-1\n2"], ["room", "Room-1", "a room-1"]),
        ("*-public", ["-public", "a-public"], ["public", "a-public-b"]),
        ("a*a", ["aa", "aba", "aaa"], ["a", "ab", "ba"]),
        ("a*b*c", ["abc", "aXbYc", "abbc"], ["acb", "ac", "abcd"]),
        ("*a*a*", ["aa", "xaxax"], ["a", "xax"]),
        ("**", ["", "a"], []),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]?", ["[ab]?"], ["a", "ab"]),
        ("é*", ["é1"], ["e\u0301"]),
    ],
)
def test_the_names_that_a_pattern_is_for(
    pattern: str, fitting: list[str], others: list[str]
) -> None:
    grant = Grant(pattern, Right.READ)
    assert [name for name in fitting + others if grant.fits(name)] == fitting


@given(st.text("ab*", max_size=8), st.text("ab*", max_size=10))
def test_a_pattern_means_what_its_regular_expression_would(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert Grant(pattern, Right.READ).fits(name) == bool(re.fullmatch(expression, name, re.S))


def test_a_pattern_of_many_stars_takes_no_long_time() -> None:
    # A search that tried all ways would not come to an end.
    assert not Grant("a*" * 159 + "b", Right.READ).fits("a" * 320)
    assert Grant("a*" * 160, Right.READ).fits("a" * 320)


def test_all_grants_that_fit_give_their_rights() -> None:
    grants = Grants.parse(
        [claim("room-*", ("read",)), claim("room-1", ("write",)), claim("*-1", ("manage", "read"))]
    )
    assert grants.rights(DOCUMENT, "room-2") == Right.READ
    assert grants.rights(DOCUMENT, "room-1") == READ_WRITE | Right.MANAGE
    assert grants.rights(DOCUMENT, "hall-1") == Right.READ | Right.MANAGE
    assert grants.rights(DOCUMENT, "hall") == Right.NONE
    assert grants.rights(DOCUMENT, None) == Right.NONE


def test_only_the_star_alone_is_for_documents_without_a_name() -> None:
    grants = Grants.parse([claim("*", ("read",)), claim("**", ("write",))])
    assert grants.rights(DOCUMENT, None) == Right.READ
    assert grants.rights(DOCUMENT, "any") == READ_WRITE


@pytest.mark.parametrize("type_", TYPES)
def test_a_grant_is_for_one_type(type_: ObjectType) -> None:
    grants = Grants.parse(
        [
            {type_.plural: "room-*", "rights": ["read"]},
            {type_.plural: "*", "rights": ["manage"]},
            *({each.plural: "*", "rights": ["write"]} for each in TYPES if each is not type_),
        ]
    )
    assert grants.rights(type_, "room-1") == Right.READ | Right.MANAGE
    assert grants.rights(type_, "hall") == grants.rights(type_, None) == Right.MANAGE
    for other in TYPES:
        if other is not type_:
            assert grants.rights(other, "room-1") == grants.rights(other, None) == Right.WRITE


def test_no_grants_allow_nothing() -> None:
    grants = Grants.parse([])
    assert grants.rights(DOCUMENT, "a") == grants.rights(DOCUMENT, None) == Right.NONE


def test_grants_up_to_their_bounds() -> None:
    assert Grants.parse([claim("a" * NAME_LENGTH)] * GRANTS_LIMIT).rights(
        DOCUMENT, "a" * NAME_LENGTH
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "a list of at most 64"),
        ({}, "a list"),
        ("room-*", "a list"),
        (5, "a list"),
        (claim(), "a list"),
        ([claim()] * (GRANTS_LIMIT + 1), "at most 64"),
        (["room-*"], "objects with"),
        ([None], "objects with"),
        ([[]], "objects with"),
        ([{}], "objects with"),
        ([{"documents": "a"}], "objects with"),
        ([{"rights": ["read"]}], "objects with"),
        ([claim() | {"deny": True}], "no others"),
        ([claim() | {"maps": "a"}], "no others"),
        ([{"maps": "", "rights": ["read"]}], "patterns (maps)"),
        ([{"map": "a", "rights": ["read"]}], "documents or lists or maps or streams"),
        ([{"items": "a", "rights": ["read"]}], "documents or lists or maps or streams"),
        ([claim(5)], "patterns"),
        ([claim(None)], "patterns"),
        ([claim(["a"])], "patterns"),
        ([claim("")], "1 to 320"),
        ([claim("a" * (NAME_LENGTH + 1))], "1 to 320"),
        ([claim(rights=())], "at least one"),
        ([claim(rights=[])], "at least one"),
        ([claim(rights="read")], "lists of rights"),
        ([claim(rights={"read": True})], "lists of rights"),
        ([claim(rights=("Read",))], "not 'Read'"),
        ([claim(rights=("read", "delete"))], "not 'delete'"),
        ([claim(rights=("*",))], "read, write, manage"),
        ([claim(rights=(["read"],))], "not an array"),
        ([claim(rights=(None,))], "not null"),
        ([claim(rights=(1,))], "not 1"),
        ([claim(rights=("\ud800",))], "not "),
        ([claim(), claim(rights=("x",))], "not 'x'"),
    ],
)
def test_what_is_no_grants(given: Any, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        Grants.parse(given)
    assert caught.value.code is Code.TOKEN_GRANTS
    assert said in caught.value.message
    caught.value.message.encode()
