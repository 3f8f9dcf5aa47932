"""Models of the data: dataclasses, TypedDict, pydantic models and msgspec Structs.

pydantic and msgspec are imported only for a model that is one of theirs.
"""
