"""Printed figures and suites, as data that packages bring."""
