"""What plans, stages, recipes and answers are known by: a digest of their numbers, written in one way."""

from __future__ import annotations

import hashlib
import json


def digest_of(plain: object) -> str:
    """16 hex digits of the sha256 of `plain` as canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]  # lone surrogates in names
