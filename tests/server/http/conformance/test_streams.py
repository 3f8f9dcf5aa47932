from __future__ import annotations

from support.conformance import Conformance, operations_of


class TestStreams(Conformance):
    operations = operations_of("Streams")
