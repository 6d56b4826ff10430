"""The leaderboards as a folder of pages that opens from disk: no torch, no plugin, no data, no network.

A page is a list of blocks (headings, texts, tables, plots), written as JSON into it; `assets/blocks.js` shows them.
"""

from benchmark_core.site.folder import check_folder, write_site
from benchmark_core.site.pages import build_site

__all__ = ["build_site", "check_folder", "write_site"]
