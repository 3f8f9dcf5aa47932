from __future__ import annotations

from support.conformance import Conformance, operations_of


class TestMaps(Conformance):
    operations = operations_of("Maps")
