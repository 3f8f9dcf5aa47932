from __future__ import annotations

from support.conformance import Conformance, operations_of


class TestDocuments(Conformance):
    operations = operations_of("Documents")
