"""Clips of a dataset: listed, held against what its authors publish, prepared, and looked at."""
