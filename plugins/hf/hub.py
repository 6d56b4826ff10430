"""A model of the Hugging Face hub at one commit. Its files are kept in the cache of the library huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.regular_file import read_regular
from elrbench_plugins.commands.hub.hugging_face import Repository
from elrbench_plugins.hf.files import CONFIG, INDEX, PROCESSORS, WEIGHTS


@dataclass(frozen=True)
class HubModel:
    """A model of the hub; see `ModelFiles`. Its name is OWNER/NAME@COMMIT. here: folder of its small files."""

    repository: Repository
    name: str
    shown: str
    listed: tuple[str, ...]
    here: Path

    @classmethod
    def open(cls, text: str, shown: str) -> HubModel:
        """Return the model `OWNER/NAME[@REVISION]`, a branch or a tag at the commit that it has now.

        If the hub cannot be reached, a commit that was downloaded before is used.

        Raises ElrError if the hub does not have it, or cannot be reached and nothing was downloaded.
        """
        repository = Repository.parse(f"hf://{text}", upload=False, public=False)
        try:
            listed = tuple(name for name in repository.files() if "/" not in name)
            here = repository.snapshot([name for name in listed if name in (CONFIG, *PROCESSORS)])
        except RunFailed as error:
            found = repository.cached()
            if found is None:
                raise ElrError(
                    f"{shown}: {error}; without it, name a commit that was downloaded before (OWNER/NAME@COMMIT) or a "
                    "folder"
                ) from error
            listed, here = tuple(each.name for each in found.iterdir()), found
            repository.revision = found.name
        return cls(repository, f"{repository.name}@{repository.revision}", shown, listed, here)

    def names(self) -> Iterable[str]:
        """Return the names of the files at the commit, without sub-folders."""
        return self.listed

    def read(self, name: str) -> bytes:
        """Return a small file."""
        return read_regular(self.here / name)

    def folder(self) -> Path:
        """Download the weights, unless they are here, and return the folder."""
        wanted = [name for name in self.listed if name in (CONFIG, *PROCESSORS) or name.endswith((WEIGHTS, INDEX))]
        if all((self.here / name).is_file() for name in wanted):
            return self.here
        return self.repository.snapshot(wanted)
