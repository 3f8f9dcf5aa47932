from __future__ import annotations

from support.conformance import Conformance, operations_of


class TestLists(Conformance):
    operations = operations_of("Lists")
