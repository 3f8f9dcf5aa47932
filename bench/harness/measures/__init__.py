"""The measures, one module each, with functions that return outcomes."""
