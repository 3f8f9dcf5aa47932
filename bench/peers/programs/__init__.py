"""Servers built with peers that are libraries, as their documentation shows."""
