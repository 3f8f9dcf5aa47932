"""Peers: other servers to compare with; how each is started, and what its clients send."""
