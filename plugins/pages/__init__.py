"""Self-contained HTML pages: data as JSON, and browser libraries bundled as published.

A page opens from disk and loads nothing from the network. Text from records reaches it as JSON data and is displayed
through textContent, never as markup.
"""
