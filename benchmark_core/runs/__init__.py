"""Runs: from a plan to a record, and back from a run folder to its recognizer."""
