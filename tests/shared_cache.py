"""Push a whole cache to a folder or URL, and pull it from there."""

from __future__ import annotations

from pathlib import Path

from benchmark_core.progress import Silent
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.pulling import Wanted, pull
from elrbench_plugins.commands.cache.pushing import push
from elrbench_plugins.commands.cache.sharing import Moved
from elrbench_plugins.storage.remote_folder import open_folder

ALL = Wanted(clips=True, stages=True)


def pushed(cache: Path, url: str) -> Moved:
    return push(read_cache(cache), open_folder(url), cache=cache, reporter=Silent())


def pulled(cache: Path, url: str, wanted: Wanted = ALL) -> Moved:
    return pull(open_folder(url), wanted, cache=cache, reporter=Silent())
