"""Hypothesis strategies for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["json_objects", "json_values", "text"]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Short strings without surrogates, which UTF-8 cannot encode."""

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)

json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value that `jsondata` accepts."""

json_objects = st.dictionaries(text, json_values, max_size=5)
"""Small objects that are valid data of a document."""
