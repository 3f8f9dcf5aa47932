"""Webhooks: what happens in a service, told to the URL that it names (docs/guide.md, "Webhooks").

document.lua -> queue -> courier (one for each service, in the process that has its lease)
    -> sender -> the receiver; or, after a bounded time, -> parking
"""

from __future__ import annotations
