"""Benchmark that compares Syncline with a baseline (the floor) and with other servers (peers)."""
