# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The blocking client of back ends, made by `scripts/generate-blocking`."""
