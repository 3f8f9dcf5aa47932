"""Redis, run three ways: embedded, one server or Sentinel, Cluster."""
