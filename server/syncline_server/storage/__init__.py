"""Storage in Redis, the only authority: no state that matters lives in a server process."""
