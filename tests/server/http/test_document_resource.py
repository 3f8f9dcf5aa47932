from __future__ import annotations

from dataclasses import replace

import orjson

from syncline_protocol.documents import Document
from syncline_server.http.object_resources import document_resource
from syncline_server.http.reply_context import ReplyContext

DOCUMENT = Document(
    sid="ET" + "0" * 32,
    unique_name="prefs",
    revision=1806543210987654,
    data=b'{"a":1}',
    created_ms=1_769_847_330_999,
    updated_ms=1_769_847_331_001,
    expires_ms=1_769_847_391_001,
    created_by="system",
    updated_by="alice",
)
WHERE = ReplyContext("https://sync.test/base", "AC" + "1" * 32, "IS" + "2" * 32)


def test_all_properties_of_the_resource() -> None:
    url = f"https://sync.test/base/v1/Services/{WHERE.service_sid}/Documents/{DOCUMENT.sid}"
    assert orjson.loads(orjson.dumps(document_resource(DOCUMENT, WHERE))) == {
        "sid": DOCUMENT.sid,
        "unique_name": "prefs",
        "account_sid": WHERE.account_sid,
        "service_sid": WHERE.service_sid,
        "url": url,
        "links": {"permissions": f"{url}/Permissions"},
        "revision": "1806543210987654",
        "data": {"a": 1},
        "date_created": "2026-01-31T08:15:30Z",
        "date_updated": "2026-01-31T08:15:31Z",
        "date_expires": "2026-01-31T08:16:31Z",
        "created_by": "system",
        "updated_by": "alice",
    }


def test_what_a_document_lacks_is_null() -> None:
    resource = document_resource(replace(DOCUMENT, unique_name=None, expires_ms=None), WHERE)
    assert resource["unique_name"] is None
    assert resource["date_expires"] is None


def test_data_that_is_not_known_is_omitted() -> None:
    assert "data" not in document_resource(replace(DOCUMENT, data=b""), WHERE)
