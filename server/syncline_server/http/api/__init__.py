"""The resources of REST v1."""
