"""Build HTML: escaped text, and data as JSON that an HTML parser cannot read as markup."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from string import Template
from typing import Any


def data_script(key: str, value: Any) -> str:
    r"""Return `value` as JSON in a script element that browsers do not run. The page parses its textContent.

    `<` is written as `\u003c`, so that `</script>` and `<!--` in a text do not end the element. Keys keep their order.

    Raises:
        ValueError: if `value` contains NaN or infinity.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{html.escape(key)}">{text}</script>'


def fill(template: str, texts: Mapping[str, str], **markup: str) -> str:
    """Replace each `$name` in `template`: by an escaped text of `texts`, or by unescaped `markup`."""
    return Template(template).substitute({key: html.escape(text) for key, text in texts.items()} | markup)
