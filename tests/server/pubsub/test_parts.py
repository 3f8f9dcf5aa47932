"""Subscribers to parts are found by key and by prefix."""

from __future__ import annotations

import random

from support.store import Inbox
from syncline_protocol.item_commands import Part
from syncline_server.pubsub.parts import Parts


def test_each_subscriber_is_found_by_the_keys_of_its_part() -> None:
    rng = random.Random(1)
    parts, wanted = Parts(), dict[Inbox, Part]()

    def word() -> str:
        return "".join(rng.choices("ab", k=rng.randrange(1, 4)))

    for _ in range(300):
        inbox = rng.choice(list(wanted)) if wanted and rng.random() < 0.4 else Inbox()
        if inbox in wanted and rng.random() < 0.5:
            parts.discard(inbox)
            del wanted[inbox]
        else:
            part = Part(prefix=word())
            if rng.random() < 0.5:
                part = Part(keys=frozenset(word() for _ in range(3)))
            parts.add(inbox, part)
            wanted[inbox] = part
        keys = [word() for _ in range(rng.randrange(1, 3))]
        found = list(parts.find(keys))
        assert len(set(found)) == len(found)
        assert set(found) == {i for i, p in wanted.items() if any(map(p.has, keys))}
        assert set(parts.find(None)) == set(wanted) and len(parts) == len(wanted)
    for inbox in wanted:
        parts.discard(inbox)
        parts.discard(inbox)
    assert not parts and not (parts._by_key or parts._by_prefix or parts._lengths)
