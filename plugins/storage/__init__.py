"""Folders of immutable files at another place: a path, or any URL of fsspec. `hub` and `cache push` share it.

A plain package, not a plugin: it offers no component and no command.
"""
