"""Page object of the demo's board, and the map that it shows."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.async_api import Locator, expect

from .browser import Browsing
from .collections import CollectionsApi
from .demo import DemoPane, open_panes
from .proxy import Proxy
from .server import RunningServer

__all__ = ["BOARD", "DemoBoard", "read_board", "write_board"]

BOARD = "demo_board"


def write_board(server: RunningServer, cards: Mapping[str, str]) -> None:
    """Replace the whole board by new cards: column by text."""
    with CollectionsApi(server, "Maps") as maps:
        maps.call("DELETE", BOARD)
        maps.create(UniqueName=BOARD)
        # The page adds its samples to a board that was never written.
        maps.add(BOARD, key="elsewhere")
        data = [{"text": text, "column": column} for text, column in cards.items()]
        maps.fill(
            BOARD,
            [
                {"op": "add", "key": f"card-{place:02}", "data": {**each, "place": place}}
                for place, each in enumerate(data)
            ],
        )


def read_board(server: RunningServer) -> dict[str, list[str]]:
    """The texts of the cards by column, in their order, as the server has them."""
    columns: dict[str, list[str]] = {"todo": [], "doing": [], "done": []}
    with CollectionsApi(server, "Maps") as maps:
        items = maps.ok("GET", BOARD, "Items", params={"PageSize": 100})["items"]
    cards = [(item["data"]["place"], item["key"], item["data"]) for item in items if item["data"]]
    for _, _, data in sorted(cards, key=lambda card: card[:2]):
        columns[data["column"]].append(data["text"])
    return columns


class DemoBoard:
    """The board in one pane of a window with the demo.

    Attributes:
        pane: the pane.
        page: the page of Playwright.
    """

    def __init__(self, pane: DemoPane) -> None:
        self.pane = pane
        self.page = pane.page

    @classmethod
    async def open(cls, browsing: Browsing, server: RunningServer | Proxy, name: str) -> DemoBoard:
        """Open a window and wait for the board of its left pane."""
        board = cls(await DemoPane.open(browsing, server, name))
        await board.expect_open()
        return board

    @classmethod
    async def open_two(
        cls, browsing: Browsing, server: RunningServer | Proxy
    ) -> tuple[DemoBoard, DemoBoard]:
        """Open a window and wait for the boards of its two panes, those of Ada and Ben."""
        left, right = [cls(pane) for pane in await open_panes(browsing, server)]
        for board in (left, right):
            await board.expect_open()
        return left, right

    async def expect_open(self) -> None:
        """Wait until the board is open."""
        await expect(self.pane.find("board")).to_have_attribute("data-state", "open")

    @property
    def tasks(self) -> Locator:
        """The cards."""
        return self.pane.root.locator(".task")

    @property
    def connection(self) -> Locator:
        """The text that shows the state of the connection."""
        return self.pane.connection

    @property
    def dialog(self) -> Locator:
        """The dialog in which a card is edited."""
        return self.pane.root.get_by_role("dialog")

    @property
    def problem(self) -> Locator:
        """The reason why a card was not saved."""
        return self.dialog.get_by_role("alert")

    def column(self, name: str) -> Locator:
        """A column: `todo`, `doing` or `done`."""
        return self.pane.root.locator(f"[data-column={name}]")

    def card(self, text: str) -> Locator:
        """The card with a text."""
        shown = self.page.locator(".task-text").get_by_text(text, exact=True)
        return self.tasks.filter(has=shown)

    async def press(self, text: str, button: str) -> None:
        """Press a button of a card."""
        await self.card(text).get_by_role("button", name=f"{button}: {text}", exact=True).click()

    async def add(self, text: str) -> None:
        """Add a card."""
        await self.pane.root.get_by_label("New card").fill(text)
        await self.pane.press("Add")

    async def edit(self, text: str, other: str) -> None:
        """Open a card in the dialog, and save another text."""
        await self.press(text, "Edit")
        await self.save(other)

    async def save(self, text: str) -> None:
        """Save a text in the open dialog."""
        await self.dialog.get_by_label("Text of the card").fill(text)
        await self.dialog.get_by_role("button", name="Save").click()

    async def expect_cards(self, **columns: list[str]) -> None:
        """Wait until these columns have these cards, in this order, and all writes are settled."""
        await self.expect_shown(**columns)
        await expect(self.pane.root.locator(".task.pending")).to_have_count(0)

    async def expect_shown(self, **columns: list[str]) -> None:
        """Wait until these columns show these cards, in this order, written or not."""
        for name, texts in columns.items():
            await expect(self.column(name).locator(".task-text")).to_have_text(texts)
