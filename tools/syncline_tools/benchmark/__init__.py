"""Load test behind `syncline bench`: measures a server with clients of the native protocol.

- `socket`: a lightweight client connection.
- `topic`: a document with its writer and its subscribers.
- `run`: the stages of a run.
- `figures`, `report`: the results, and how a terminal shows them.
"""
