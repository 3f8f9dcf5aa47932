"""Lists, maps and streams in `syncline verify`: the same plan of faults, histories of items.

- `shape`: what is written to each collection.
- `client`, `workload`: clients that write items over REST.
- `sight`, `observer`, `paging`: clients that only look, and how a further wire is added.
- `direct`, `run`: reads past all faults; all of these together.
- `records`, `evidence`, `excuses`: everything that was done and seen, by collection and item.
- `checks_…`: evidence in, findings out; pure.
"""
