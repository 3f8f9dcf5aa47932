"""Services and permissions on a Cluster, whose shards each hold a part of a service."""

from __future__ import annotations

import asyncio
import secrets

from support.account import Account
from support.server import RunningServer
from support.socket import native_socket
from support.store import eventually

DOCUMENTS = 24


async def test_rights_are_taken_away_and_services_deleted_on_every_shard(
    clustered: RunningServer,
) -> None:
    with Account(clustered) as account:
        service = account.service(AclEnabled="true")
        tokens = [clustered.token(who, service=service) for who in ("alice", "bob")]
        async with (
            native_socket(clustered, tokens[0]) as alice,
            native_socket(clustered, tokens[1]) as bob,
        ):
            sids = [(await alice.document("open"))["sid"] for _ in range(DOCUMENTS)]
            for sid in sids:
                assert (await bob.error("open", document=sid))["code"] == 54007
                account.permit(service, sid, "bob", "r")
                await bob.ok("open", document=sid)
            for sid in sids[::2]:
                account.revoke(service, sid, "bob")
            removed = [await bob.event() for _ in sids[::2]]
            assert {event["event"] for event in removed} == {"removed"}
            assert {event["document"]["sid"] for event in removed} == set(sids[::2])

            await asyncio.to_thread(account.ok, "DELETE", service)
            gone = [await alice.event() for _ in sids]
            assert {event["document"]["sid"] for event in gone} == set(sids)
        done = f"service {service} is deleted: {DOCUMENTS} objects removed"
        await eventually(lambda: done in clustered.log.read_text())


def test_documents_live_under_chosen_sids_whatever_shard_their_names_are_of(
    clustered: RunningServer,
) -> None:
    with Account(clustered) as account:
        service = account.service(Sid=f"IS{secrets.token_hex(16)}")
        made = {f"name-{n}": f"ET{secrets.token_hex(16)}" for n in range(DOCUMENTS)}
        for name, sid in made.items():
            account.ok("POST", service, "Documents", data={"UniqueName": name, "Sid": sid})
        for name, sid in made.items():
            for address in (name, sid):
                found = account.ok("POST", service, "Documents", address, data={"Data": "{}"})
                assert (found["sid"], found["unique_name"]) == (sid, name)
            account.ok("DELETE", service, "Documents", name)
            again = account.ok("POST", service, "Documents", data={"UniqueName": name})
            assert again["sid"] != sid
