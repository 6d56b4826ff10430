"""Canonical digests of plans, stages, stored formats and results."""

from __future__ import annotations

import hashlib
import json


def digest_of(plain: object) -> str:
    """Return 16 hex digits of the sha256 of `plain` as canonical JSON."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]  # lone surrogates in names
