"""A model repository of Hugging Face. An upload is one commit, so that nobody sees a part of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.extras import how_to_install
from benchmark_core.provenance import file_digest, version_of
from elrbench_plugins.storage.remote_folder import Progress

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_URL = re.compile(rf"hf://({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?")
LOGIN = "run 'hf auth login' or set HF_TOKEN"


def client() -> Any:
    """Return huggingface_hub's `HfApi`. Its server is HF_ENDPOINT, its login that of `hf auth login` or HF_TOKEN."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ElrError(f"hf:// needs {how_to_install('huggingface_hub', 'hub')}") from error
    return HfApi(library_name="elrbench", library_version=version_of("elrbench"))


class Repository:
    """See `Place`.

    name: OWNER/NAME. wanted: a branch, a tag or a commit, None for the main branch. upload: files are written, too.
    public: a new repository is public.
    """

    def __init__(self, name: str, wanted: str | None, *, upload: bool, public: bool) -> None:
        self.name = name
        self.wanted = wanted
        self.upload = upload
        self.public = public
        self.shown = f"hf://{name}" + (f"@{wanted}" if wanted else "")
        self.revision = ""
        self._api = client()
        self._sizes: dict[str, int] = {}
        if upload and not (self._api.token or _token()):
            raise ElrError(f"no login for Hugging Face: {LOGIN}")

    @classmethod
    def parse(cls, text: str, *, upload: bool, public: bool) -> Repository:
        """Return the repository at `hf://OWNER/NAME[@REVISION]`. Raises ElrError if `text` is none."""
        found = _URL.fullmatch(text)
        if not found or "--" in found[1] or ".." in text:
            raise ElrError(f"'{text}' is not the name of a model repository; write hf://OWNER/NAME or …@REVISION")
        return cls(found[1], found[2], upload=upload, public=public)

    def files(self) -> Mapping[str, int]:
        """Return the size of each file of the revision; none for a repository that an upload will create.

        Raises ElrError if the repository or the revision does not exist, or its visibility is not the one asked for.
        """
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        with self._reaching():
            try:
                info = self._api.model_info(self.name, revision=self.wanted, files_metadata=True)
            except RepositoryNotFoundError as error:
                if isinstance(error, GatedRepoError) or not self.upload:
                    raise
                info = None
        if info is None:
            if self.wanted not in (None, "main"):
                raise ElrError(
                    f"{self.shown}: the repository does not exist yet, and a new one has no revision '{self.wanted}'; "
                    f"push to hf://{self.name} first"
                )
            return {}
        if self.upload and bool(info.private) is self.public:
            is_now, flag = ("private", "remove --public") if self.public else ("public", "pass --public")
            raise ElrError(
                f"{self.shown} exists and is {is_now}; {flag}, or change its visibility on its settings page"
            )
        self.revision = str(info.sha)
        self._sizes = {each.rfilename: int(each.size or 0) for each in info.siblings or ()}
        return self._sizes

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file."""
        if self._sizes.get(name, 0) > limit:
            raise ElrError(f"{self.shown}/{name} has more than {limit:,} bytes, so it is not what its name says")
        with tempfile.TemporaryDirectory() as folder:
            return self._fetch(name, Path(folder)).read_bytes()

    def download(self, name: str, target: Path, size: int, progress: Progress) -> str:
        """Copy a file to `target`. Return its sha256."""
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
            self._fetch(name, Path(folder)).replace(target)
        progress(size)
        return file_digest(target)

    def _fetch(self, name: str, folder: Path) -> Path:
        """Download a file of the revision that `files` has seen into `folder`."""
        with self._reaching(), _without_bars():
            return Path(self._api.hf_hub_download(self.name, name, revision=self.revision, local_dir=folder))

    def snapshot(self, names: Sequence[str]) -> Path:
        """Download files, one or more, into the client's cache, at the revision that `files` has seen.

        Return their folder.
        """
        folder = Path()
        with self._reaching(), _without_bars():
            for name in names:
                folder = Path(self._api.hf_hub_download(self.name, name, revision=self.revision)).parent
        return folder

    def cached(self) -> Path | None:
        """Return the folder of an earlier `snapshot` of a commit that was asked for, without the server; else None."""
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(self._api.snapshot_download(self.name, revision=self.wanted, local_files_only=True))
        except LocalEntryNotFoundError:
            return None

    def publish(self, files: Mapping[str, Path], remove: Sequence[str], message: str, progress: Progress) -> str:
        """Create the repository if needed, and commit all changes at once. Return the commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
        operations += [CommitOperationDelete(path_in_repo=name) for name in remove]
        with self._reaching(), _without_bars():
            if not self.revision:
                self._api.create_repo(self.name, private=not self.public, exist_ok=True)
            done = self._api.create_commit(
                self.name,
                operations,
                commit_message=message,
                revision=self.wanted,
                parent_commit=self.revision or None,  # refused if somebody else has pushed since `files`
            )
        progress(sum(path.stat().st_size for path in files.values()))
        return str(done.oid)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what the client raises into one line."""
        from huggingface_hub import errors

        try:
            yield
        except (ElrError, KeyboardInterrupt):
            raise
        except errors.RevisionNotFoundError as error:
            raise ElrError(
                f"{self.shown}: there is no revision '{self.wanted}'; pass a branch, tag or commit"
            ) from error
        except errors.GatedRepoError as error:
            raise ElrError(f"{self.shown} is gated: accept its terms on its page, and {LOGIN}") from error
        except errors.RepositoryNotFoundError as error:
            raise ElrError(
                f"{self.shown} does not exist, or this login may not see it; check the name, or {LOGIN}"
            ) from error
        except errors.HfHubHTTPError as error:
            raise self._answered(error.response.status_code, error.server_message or "") from error
        except Exception as error:  # of the HTTP library, which differs between versions, and of checks of the client
            cause = error.__cause__ or error
            text = " ".join(f"{error} {cause if cause is not error else ''}".split())[:300]
            raise RunFailed(f"{self.shown} cannot be reached ({type(cause).__name__}: {text})") from error

    def _answered(self, status: int, text: str) -> ElrError:
        if status == 401:
            return ElrError(f"{self.shown}: Hugging Face does not accept the login; {LOGIN}")
        if status == 403:
            return ElrError(f"{self.shown}: this login may not write there; use a token with write permission")
        if status in (409, 412):
            return RunFailed(f"{self.shown} was changed in the meantime; run the same command again")
        return RunFailed(f"{self.shown}: Hugging Face answered with status {status}: {text or 'no reason is given'}")


def _token() -> str | None:
    from huggingface_hub import get_token

    found: str | None = get_token()
    return found


@contextmanager
def _without_bars() -> Iterator[None]:
    """Silence the client's own progress bars: the command reports progress."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
