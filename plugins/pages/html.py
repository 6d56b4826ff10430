"""What a page's HTML is made of: text as text, data as JSON that no parser of HTML takes for markup."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from string import Template
from typing import Any


def data_script(key: str, value: Any) -> str:
    r"""`value` as JSON in an element that no browser runs, to be parsed from its textContent.

    `<` is `\u003c`, so that `</script>` and `<!--` inside it end nothing. Keys keep their order; NaN is refused.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{html.escape(key)}">{text}</script>'


def fill(template: str, texts: Mapping[str, str], **markup: str) -> str:
    """`template` with each `$name` replaced: by one of `texts`, escaped, or by `markup`, as it is."""
    return Template(template).substitute({key: html.escape(text) for key, text in texts.items()} | markup)
