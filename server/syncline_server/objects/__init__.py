"""The objects of a service for one caller: rights, turns, patches and the work that they cost."""
