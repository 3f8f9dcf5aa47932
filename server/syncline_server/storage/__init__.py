"""Redis: the only store and the only authority; no state that matters lives in a server process."""
