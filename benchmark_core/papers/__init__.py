"""Reported figures and suites: data files of installed packages."""
