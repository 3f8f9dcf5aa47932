"""The servers of peers that are libraries; each is what its documentation shows."""
