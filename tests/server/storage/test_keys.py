from __future__ import annotations

import re

from support.store import Service
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import BUCKETS, bucket_of_name
from syncline_server.storage import keys
from syncline_server.storage.redis.connection import Connection

SERVICE = f"IS{'a' * 32}"
SID = f"ET3f{'0' * 30}"


def test_a_sid_names_its_bucket() -> None:
    assert keys.tag_of(SERVICE, SID) == f"{{{SERVICE}:3f}}"
    for prefix in ("ET", "ES", "MP", "TO"):
        assert keys.tag_of(SERVICE, f"{prefix}ff{'0' * 30}") == f"{{{SERVICE}:ff}}"


def test_a_name_hashes_to_its_bucket() -> None:
    for name in ("prefs", "é", SID.lower(), SID[:-1]):
        assert keys.tag_of(SERVICE, name) == keys.bucket_tag(SERVICE, bucket_of_name(name))


def test_buckets_have_tags_of_their_own() -> None:
    tags = {keys.bucket_tag(SERVICE, bucket) for bucket in range(BUCKETS)}
    assert len(tags) == BUCKETS
    assert all(re.fullmatch(r"\{[^{}]+:[0-9a-f]{2}\}", tag) for tag in tags)


def test_all_of_a_document_begins_with_the_tag_of_its_bucket() -> None:
    tag = keys.tag_of(SERVICE, SID)
    assert keys.channel(SERVICE, SID) == f"{tag}:event:{SID}"
    assert keys.listing(tag, DOCUMENT) == f"{tag}:documents"
    assert keys.expiries(tag) == f"{tag}:expiries"
    assert keys.due(SERVICE) == f"{{{SERVICE}}}:due"


async def test_redis_holds_what_the_module_says(service: Service, admin: Connection) -> None:
    document = await service.create("prefs", b'{"a":1}', 100, "alice", "op-1")
    tag = keys.tag_of(service.sid, "prefs")
    found = await admin.execute("KEYS", f"{{{service.sid}*")
    assert {key.decode() for key in found} == {
        f"{tag}:document:{document.sid}",
        f"{tag}:names",
        keys.listing(tag, DOCUMENT),
        keys.expiries(tag),
        f"{keys.service_tag(service.sid)}:operation:5:alice:op-1",
        keys.due(service.sid),
        keys.filled(service.sid),
    }
    assert await admin.execute("HGETALL", f"{tag}:names") == [b"prefs", document.sid.encode()]
    assert await admin.execute("ZRANGE", keys.listing(tag, DOCUMENT), 0, -1) == [
        document.sid.encode()
    ]
    assert await admin.execute("ZRANGE", keys.expiries(tag), 0, -1, "WITHSCORES") == [
        document.sid.encode(),
        str(document.expires_ms).encode(),
    ]
    [bucket, moment] = await admin.execute("ZRANGE", keys.due(service.sid), 0, -1, "WITHSCORES")
    assert bucket.decode() == document.sid[2:4]
    assert int(moment) <= (document.expires_ms or 0)
