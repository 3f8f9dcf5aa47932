"""Webhooks: events of a service, sent to the URL that it names (docs/guide/webhooks.md).

a script that writes -> queue -> consumer (one for each service, in the process that has its lease)
    -> delivery -> sender -> the receiver; or, after a bounded time, -> dead letters
"""

from __future__ import annotations
