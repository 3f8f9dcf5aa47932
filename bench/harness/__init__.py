"""Starts floors, peers and Syncline in turn, loads them, and compares."""
