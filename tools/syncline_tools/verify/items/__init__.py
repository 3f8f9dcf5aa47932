"""Lists, maps and streams in `syncline verify`: the same plan of faults, histories of items.

- `client`, `rest`, `actions`, `workload`: clients that write items over REST, and what they write.
- `sight`, `observer`, `paging`: clients that only look, and how a further wire is added.
- `collection`, `reading`, `direct`, `run`: reads past all faults; all of these together.
- `records`, `evidence`, `copies`: everything that was done and seen, by collection and item.
- `checks_…`, `checks`, `effect`: evidence in, findings out; pure.
"""
