"""Page on privacy: what attackers find in low views, next to the accuracy of the same networks on actions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from benchmark_core.records.fields import RunRecord
from elrbench_plugins.commands.privacy.picture import privacy_picture
from elrbench_plugins.commands.privacy.stored import Places, findings_of
from elrbench_plugins.commands.privacy.text import LEGEND, sentences, table
from elrbench_plugins.commands.site.blocks import Block, heading, text
from elrbench_plugins.commands.site.blocks import table as table_block

_ABOUT = (
    "Attackers are trained on the same low views as recognizers, to predict who is in them, or an attribute. What a "
    "view gives away is the score of the best attacker on it."
)


def privacy_blocks(records: Sequence[RunRecord], leaderboards: Path) -> list[Block]:
    """Return a section per track whose target is something else than the action; empty if there is none.

    records: of all tracks. leaderboards: the folder that they are from.
    """
    targets = {record["plan"]["dataset"].partition(":")[2] for record in records if "action_guess" in record}
    blocks: list[Block] = []
    for target in sorted(targets):
        for findings in findings_of(records, Places(None, leaderboards, verified=False), target=target):
            name = f"{findings.track} · {findings.protocol}"
            rows = table(findings)
            blocks += [heading(name, key=findings.track), text(*sentences(findings))]
            if picture := privacy_picture(findings):
                data = f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}"
                blocks.append({"kind": "picture", "label": f"Accuracy and leakage on {name}", "data": data})
            main = ("view", "attacker", f"{findings.target} {findings.rows[0].metric}")
            blocks += [table_block(f"Attacks on {name}", rows, main=main), text(LEGEND)]
    return [text(_ABOUT), *blocks] if blocks else []
