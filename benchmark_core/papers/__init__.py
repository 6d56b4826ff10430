"""Reported figures and suites: data files of installed packages."""

GROUP = "elrbench.papers"  # entry points, see `collection`
