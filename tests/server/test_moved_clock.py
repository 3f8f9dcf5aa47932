"""`--test-clock`: one offset for Redis' clock in the scripts and for the clock of tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest

import syncline
from support.api import unique
from support.limits import WAIT_LIMIT
from support.listening import EventReader
from support.rest import RestClient
from support.server import RunningServer, StartServer, StartSharedServer, refused_start
from syncline.options import TransportChoice
from syncline_server.config.clock import Clock
from syncline_server.config.validation import SettingError

OPTIONS = "--test-clock", "--token-leeway=0"


@pytest.fixture
def moved(shared_server: StartSharedServer) -> RunningServer:
    return shared_server(*OPTIONS)


@pytest.fixture
def account(moved: RunningServer) -> Iterator[RestClient]:
    with RestClient(moved, "") as client:
        yield client


def advance(account: RestClient, seconds: float) -> datetime:
    reply = account.ok("POST", "TestClock", data={"Seconds": seconds})
    return datetime.fromisoformat(reply["now"])


def offset(account: RestClient) -> int:
    return int(account.ok("GET", "TestClock")["offset_seconds"])


def is_removal(event: object) -> bool:
    return isinstance(event, syncline.Removed | syncline.ItemRemoved | syncline.ObjectRemoved)


@pytest.mark.parametrize("transport", ["websocket", "rest"])
async def test_documents_items_and_maps_expire_with_their_events(
    moved: RunningServer, account: RestClient, transport: TransportChoice
) -> None:
    ahead = offset(account)

    def token() -> str:
        return moved.token("alice", ttl=offset(account) + 3600)

    async with syncline.connect(moved.url, token=token, transport=transport) as client:
        document = await client.document(unique(), data={"n": 1}, ttl=600)
        scores = await client.map(unique())
        short_lived = await client.map(unique(), ttl=600)
        await scores.set("alice", {"n": 1}, ttl=600)
        readers = [EventReader(each) for each in (document, scores, short_lived)]
        await asyncio.to_thread(advance, account, 590)
        assert (await client.map(short_lived.sid)).sid == short_lived.sid
        now = await asyncio.to_thread(advance, account, 20)
        _, item, gone = removals = [(await reader.until(is_removal))[-1] for reader in readers]
    assert all(each.expired for each in removals)
    assert isinstance(item, syncline.ItemRemoved) and item.key == "alice"
    assert isinstance(gone, syncline.ObjectRemoved) and gone.date_removed is not None
    assert timedelta(0) <= now - gone.date_removed < timedelta(minutes=5)
    assert offset(account) == ahead + 610


async def test_a_connection_ends_with_its_token_and_a_fresh_one_continues(
    moved: RunningServer, account: RestClient
) -> None:
    minted: list[str] = []

    def token() -> str:
        minted.append(moved.token("alice", ttl=offset(account) + 3000))
        return minted[-1]

    async with syncline.connect(moved.url, token=token) as client:
        document = await client.document(unique(), data={"n": 1})
        once = syncline.connect(moved.url, token=minted[0])
        async with once as with_one_token:
            with pytest.raises(syncline.SynclineError):
                await asyncio.to_thread(advance, account, 3001)
                async with asyncio.timeout(WAIT_LIMIT):
                    while True:  # until the server has ended the connection
                        await with_one_token.document(document.sid)
        await document.update({"n": 2})
        assert document.data == {"n": 2}
    assert len(minted) > 1
    bearer = {"Authorization": f"Bearer {minted[0]}"}
    reply = httpx2.get(f"{moved.url}/v1/Services/default/Documents", headers=bearer)
    assert (reply.status_code, reply.json()["code"]) == (401, 20104)


def test_dates_revisions_and_readiness_agree(moved: RunningServer, account: RestClient) -> None:
    with RestClient(moved, "Services/default/Documents") as documents:
        first = documents.ok("POST", data={"Data": "{}", "Ttl": 86_400})
        now = advance(account, 7200.5)
        sid = first["sid"]
        later = documents.ok("POST", sid, data={"Data": '{"n": 1}'})
    created, updated = (datetime.fromisoformat(each["date_updated"]) for each in (first, later))
    assert timedelta(hours=2) <= updated - created < timedelta(hours=2, minutes=5)
    assert abs(updated - now) < timedelta(minutes=5)
    # A revision is a hybrid clock: milliseconds times 1024.
    assert (int(later["revision"]) - int(first["revision"])) / 1024 >= 7_200_500
    ready = httpx2.get(f"{moved.url}/readyz")
    assert ready.status_code == 200 and abs(ready.json()["clock_offset"]) < 3


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e12", "soon", ""])
def test_the_clock_moves_forward_only_and_within_bounds(account: RestClient, seconds: str) -> None:
    before = offset(account)
    reply = account.call("POST", "TestClock", data={"Seconds": seconds})
    assert reply.status_code == 400 and "Seconds" in reply.json()["message"]
    assert offset(account) == before


def test_only_the_account_on_this_machine_may_move_it(
    moved: RunningServer, account: RestClient
) -> None:
    url, form = f"{moved.url}/v1/TestClock", {"Seconds": "1"}
    bearer = {"Authorization": f"Bearer {moved.token(ttl=offset(account) + 60)}"}
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    assert httpx2.post(url, data=form).status_code == 401
    assert httpx2.post(url, data=form, headers=bearer).status_code == 403
    assert account.call("POST", "TestClock", data=form, headers=forwarded).status_code == 403


def test_a_server_without_the_option_has_no_such_route(server: RunningServer) -> None:
    with RestClient(server, "") as account:
        assert account.call("POST", "TestClock", data={"Seconds": "1"}).status_code == 404


@pytest.mark.parametrize(
    "option", ["--redis-url=redis://127.0.0.1:1", "--workers=2", "--host=0.0.0.0"]
)
def test_it_needs_data_and_a_process_of_its_own(tmp_path: Path, option: str) -> None:
    assert "--test-clock is for tests" in refused_start(
        f"--data-dir={tmp_path / 'data'}", "--test-clock", option
    )


def test_a_data_directory_keeps_its_offset_and_its_kind(
    fresh_server: StartServer, tmp_path: Path
) -> None:
    directory = tmp_path / "data"
    running = fresh_server(*OPTIONS, data_dir=directory)
    with RestClient(running, "") as account:
        advance(account, 1000)
        running.restart()
        assert offset(account) == 1000
    running.stop()
    assert "choose another directory" in refused_start(f"--data-dir={directory}")
    (directory / "test-clock").unlink()  # as if it were of a server without the option
    assert "choose another directory" in refused_start(f"--data-dir={directory}", "--test-clock")


def test_a_clock_that_is_not_movable_stays_at_the_real_time() -> None:
    clock = Clock()
    with pytest.raises(SettingError):
        clock.advance(1)
    assert clock.offset_ms == 0 and clock.script_arguments == ()
