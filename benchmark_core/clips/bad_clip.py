"""Errors for clips that cannot be decoded."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_core.errors import ElrError

SHOWN = 5  # clips that the message names


class BadClip(ElrError):
    """A clip cannot be decoded. `where` is its file or key, `reason` is one line."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be decoded: {reason}")
        self.where = where
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadClip], tuple[str, str]]:
        return type(self), (self.where, self.reason)


class BadClips(ElrError):
    """Some clips of a dataset cannot be decoded. `listed`: (clip id, reason) of each; `of`: number of clips tried."""

    def __init__(self, listed: Sequence[tuple[str, str]], of: int) -> None:
        shown = "; ".join(f"'{name}' ({reason})" for name, reason in listed[:SHOWN])
        more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
        super().__init__(
            f"{len(listed)} of {of} clips cannot be decoded: {shown}{more}; "
            "pass --bad-clips skip to run without these clips"
        )
        self.listed = tuple(listed)
        self.of = of

    def __reduce__(self) -> tuple[type[BadClips], tuple[tuple[tuple[str, str], ...], int]]:
        return type(self), (self.listed, self.of)
