"""`syncline verify`: a workload through a network that fails, and a judgement of what was seen.

- `shape`, `plan`: how large a run is, and which fault hits which client when, from a seed.
- `proxy`, `heads`, `faults`: the network that fails, one link for each client.
- `client`, `twilsock`, `application`, `sight`: simulated clients, who write, and what they see.
- `workload`, `direct`, `run`: what is written; all of these together.
- `records`, `encoding`, `history`: everything that was done, seen or inflicted.
- `evidence`, `checks_…`, `findings`: history in, findings out; pure.
- `losses`: what a failover may have lost without breaking a promise.
- `items`: the same for lists, maps and streams.
- `sightings`, `figures`: how long it took until each subscriber saw each write.
- `verdict`, `report`, `timeline`, `svg`: all of that for people.
"""
