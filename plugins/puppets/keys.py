"""Keys of drawn clips: JSON with the version, the seed, the clip and everything else that its pixels depend on."""

from __future__ import annotations

import json
from typing import Any

from benchmark_core.errors import ElrError
from elrbench_plugins.puppets.draws import GENERATOR_VERSION

TEST_CLIPS, TEST_SUBJECTS = 1_000_000, 1_000  # first number of test clips and of test subjects


def read_key(key: str) -> dict[str, Any]:
    """Return the fields of the key. Raises ElrError if another version of the generator wrote it."""
    fields: dict[str, Any] = json.loads(key)
    if fields.get("version") != GENERATOR_VERSION:
        raise ElrError(
            f"a clip key is of puppet generator {fields.get('version')}, but this version of elrbench has generator "
            f"{GENERATOR_VERSION}: list the dataset again, or install the version of elrbench that made the key"
        )
    return fields
