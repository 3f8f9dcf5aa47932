"""One module for each thing that is measured; each has a function that gives outcomes."""
