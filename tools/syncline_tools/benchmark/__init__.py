"""`syncline bench`: subscribers and writers of the native protocol, and how much of them fits.

- `socket`: a connection that costs little.
- `crowd`: documents, their writers and their subscribers.
- `run`: what they do, one after the other.
- `figures`, `report`: what came of it.
"""
