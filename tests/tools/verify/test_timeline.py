from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from support.verify import Outcome
from syncline_tools.verify.items.records import ItemsJoined
from syncline_tools.verify.records import Connected, Injected, Joined, Record, Started, Updated
from syncline_tools.verify.svg import Picture, area
from syncline_tools.verify.timeline import FAULTS, RED, ROWS_LIMIT, WRITES, draw
from syncline_tools.verify.verdict import judge

SVG = "{http://www.w3.org/2000/svg}"


def drawn(records: list[Record]) -> ElementTree.Element:
    return ElementTree.fromstring(draw(judge(records)))


def texts(picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def colours(picture: ElementTree.Element) -> set[str]:
    return {element.get("fill", "") for element in picture.iter(f"{SVG}rect")}


def test_it_has_a_row_for_each_client_and_a_mark_for_each_kind_of_fault(
    recorded: Outcome,
) -> None:
    picture = drawn(recorded.records)

    assert {each.client for each in recorded.records if isinstance(each, Joined)} <= set(
        texts(picture)
    )
    assert set(FAULTS.values()) - {FAULTS["command"]} <= colours(picture)
    assert "syncline verify: every promise kept" in texts(picture)


def test_observers_of_items_have_rows_and_their_writes_are_counted(
    recorded_items: Outcome,
) -> None:
    picture = drawn(recorded_items.records)

    observers = {
        each.client
        for each in recorded_items.records
        if isinstance(each, ItemsJoined) and each.receives_events
    }
    assert {"items-native-1", "items-twilsock-1", "part-native-1", "map-sse-1"} < observers
    assert observers <= set(texts(picture))
    assert WRITES["acknowledged"] in colours(picture)
    figures = recorded_items.verdict["figures"]
    assert set(figures["item_delay"]) == {"native", "twilsock", "sse", "events"}
    assert all(spread["count"] for spread in figures["item_delay"].values())


def test_a_broken_promise_is_marked_where_it_was_broken(recorded: Outcome) -> None:
    event = next(each for each in recorded.records if isinstance(each, Updated))
    changed = [replace(each, content="x") if each is event else each for each in recorded.records]

    picture = drawn(changed)

    assert "syncline verify: a promise was broken" in texts(picture)
    titles = [element.text or "" for element in picture.iter(f"{SVG}title")]
    assert any(title.startswith("revisions: ") for title in titles)
    assert RED in colours(picture)


def test_a_command_is_drawn_over_all_rows_and_its_text_is_no_markup(recorded: Outcome) -> None:
    command = Injected(at=1, client=None, fault="command", seconds=1, detail="</svg> & \"'")

    picture = drawn([command, *recorded.records])

    titles = [element.text or "" for element in picture.iter(f"{SVG}title")]
    assert "1.00 s: </svg> & \"'" in titles


def test_of_many_clients_those_that_were_stale_for_longest_are_drawn(recorded: Outcome) -> None:
    many: list[Record] = [
        Joined(at=0, client=f"idle-{number}", wire="native") for number in range(100)
    ]

    picture = drawn([*recorded.records[:1], *many, *recorded.records[1:]])

    rows = [text for text in texts(picture) if text.startswith(("idle-", "native-"))]
    assert "native-1" in rows
    assert len(rows) < ROWS_LIMIT
    assert any(f"the {ROWS_LIMIT} worst of 111" in text for text in texts(picture))


def test_a_run_in_which_nothing_happened_can_be_drawn() -> None:
    started = Started(at=0, version="1", url="http://x", date="", seed=1, duration=1, faults=[])

    assert len(drawn([started, Connected(at=0, client="x", connection=1)])) > 0
    assert len(drawn([])) > 0


def test_an_area_goes_down_to_its_base_at_both_ends() -> None:
    assert area([(1.0, 2.0), (3.0, 4.25)], 9.0) == "M1 9 L1 2 L3 4.2 L3 9Z"


def test_text_and_attributes_are_escaped() -> None:
    picture = Picture(10, 'a "b"')
    picture.text(1, 2, "<&>", fill="#000", size=9, font_weight="\"'<")

    element = ElementTree.fromstring(picture.render(10, "#fff"))[1]

    assert (element.text, element.get("font-weight")) == ("<&>", "\"'<")
