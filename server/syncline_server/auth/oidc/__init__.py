"""Access tokens that an OpenID provider issues, checked with the keys that it publishes.

Dependencies point down: tokens -> key_cache -> provider -> keys.
"""
