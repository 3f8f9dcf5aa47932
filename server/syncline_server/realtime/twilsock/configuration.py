"""`/v3/Configuration`: the URLs that the Kotlin and iOS SDK fetches first."""

from __future__ import annotations

from typing import Any

from syncline_server.http.reply_context import ReplyContext

from .api import VERSION

__all__ = ["PATH", "configuration"]

PATH = f"{VERSION}/Configuration"


def configuration(where: ReplyContext) -> dict[str, Any]:
    """The body of the reply.

    The SDK requires every link, also those of objects that are not served. It derives the URLs of
    lists, maps and streams from the templates of their items.
    """
    base = f"{where.base_url}{VERSION}/Services/{where.service_sid}"
    return {
        "links": {
            "subscriptions": f"{where.base_url}/v4/Subscriptions",
            "documents": f"{base}/Documents",
            "lists": f"{base}/Lists",
            "list_items": f"{base}/Lists/{{listId}}/Items",
            "list_item": f"{base}/Lists/{{listId}}/Items/{{itemId}}",
            "maps": f"{base}/Maps",
            "map_items": f"{base}/Maps/{{mapId}}/Items",
            "map_item": f"{base}/Maps/{{mapId}}/Items/{{itemId}}",
            "streams": f"{base}/Streams",
            "stream_messages": f"{base}/Streams/{{streamId}}/Messages",
            "insights_items": f"{base}/Insights/{{indexName}}/Items",
        }
    }
