from __future__ import annotations

from typing import Any

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import MAP, STREAM, ObjectType
from syncline_server.http.object_parameters import ObjectParameters


def check(*given: tuple[str, Any], type_: ObjectType = MAP) -> ObjectParameters:
    return ObjectParameters.of_new(given, type_)


def test_an_object_needs_no_parameter() -> None:
    assert check() == ObjectParameters(unique_name=None, ttl=None)
    assert check(("UniqueName", None), ("Ttl", None)) == check()


@pytest.mark.parametrize("name", ["Ttl", "ttl", "CollectionTtl", "collection_ttl"])
def test_every_spelling_sets_the_expiry(name: str) -> None:
    assert check((name, "60")).ttl == 60
    assert ObjectParameters.ttl_of([(name, 0)], MAP) == 0


def test_the_ttl_of_the_collection_counts_more_than_its_alias() -> None:
    for given in ([("Ttl", "1"), ("CollectionTtl", "2")], [("CollectionTtl", "2"), ("Ttl", "x")]):
        assert check(*given).ttl == ObjectParameters.ttl_of(given, MAP) == 2


def test_an_object_without_items_has_no_collection_ttl() -> None:
    assert check(("UniqueName", "a"), ("Ttl", 5), type_=STREAM).ttl == 5
    with pytest.raises(Refusal, match=r"Allowed parameters: UniqueName, Ttl, Sid\.") as one:
        check(("CollectionTtl", 5), type_=STREAM)
    assert one.value.code is Code.UNKNOWN_PARAMETER


def test_an_update_needs_a_ttl() -> None:
    with pytest.raises(Refusal, match="An update needs Ttl or CollectionTtl") as caught:
        ObjectParameters.ttl_of([], MAP)
    assert caught.value.code is Code.NO_PARAMETERS


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("UniqueName", ""), Code.INVALID_NAME),
        (("UniqueName", "x" * 321), Code.INVALID_NAME),
        (("UniqueName", "MP" + "0" * 32), Code.INVALID_NAME),
        (("Ttl", "-1"), Code.INVALID_TTL),
        (("CollectionTtl", "1.5"), Code.INVALID_TTL),
        (("CollectionTtl", 31_536_001), Code.INVALID_TTL),
        (("Data", "{}"), Code.UNKNOWN_PARAMETER),
        (("Sid", "ES" + "0" * 32), Code.INVALID_PARAMETER),
        (("Sid", "MP" + "A" * 32), Code.INVALID_PARAMETER),
        (("Sid", 1), Code.INVALID_PARAMETER),
    ],
)
def test_a_wrong_parameter_is_refused(given: tuple[str, Any], code: Code) -> None:
    with pytest.raises(Refusal) as caught:
        check(given)
    assert caught.value.code is code


def test_unknown_names_are_ignored_where_that_is_asked_for() -> None:
    given = [("purpose", "x"), ("unique_name", "a"), ("ttl", 1)]
    lenient = ObjectParameters.of_new(given, MAP, is_strict=False)
    assert lenient == ObjectParameters(unique_name="a", ttl=1)
    assert ObjectParameters.ttl_of(given, MAP, is_strict=False) == 1
