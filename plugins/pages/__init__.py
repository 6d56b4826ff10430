"""Pages for people, of nothing but what comes with them: HTML, data as JSON, and libraries bundled as published.

A page opens from disk and asks for nothing. Text from outside reaches it as data alone and is shown through
textContent, never as markup.
"""
