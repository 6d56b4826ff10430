"""Suites: lists of plans that are run together, such as the rows of a paper's table beside their printed figures."""
