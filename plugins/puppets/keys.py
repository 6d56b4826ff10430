"""Keys of drawn clips: JSON that names version, seed, clip and everything else a picture depends on."""

from __future__ import annotations

import json
from typing import Any

from benchmark_core.errors import ElrError
from elrbench_plugins.puppets.draws import GENERATOR_VERSION

TEST_CLIPS, TEST_SUBJECTS = 1_000_000, 1_000  # where numbers of test clips and test subjects begin


def read_key(key: str) -> dict[str, Any]:
    """The key's fields; ElrError where another version of the generator wrote it."""
    said: dict[str, Any] = json.loads(key)
    if said.get("version") != GENERATOR_VERSION:
        raise ElrError(
            f"clip key of puppet generator {said.get('version')}, but this is generator {GENERATOR_VERSION}: "
            "list the dataset again, or install the elrbench version that drew it"
        )
    return said
