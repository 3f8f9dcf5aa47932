"""Verification of access tokens of an OpenID provider, with the keys that it publishes.

Dependencies point down: tokens -> key_cache -> provider -> keys.
"""
