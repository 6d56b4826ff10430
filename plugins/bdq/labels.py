"""Who is in a clip and what the person does, from datasets of actions and of people alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elrbench import Clip, ElrError

if TYPE_CHECKING:
    from elrbench import Batch


@dataclass(frozen=True)
class Labels:
    """Clip id -> (number of the action, number of the person). actions, people: how many there are."""

    numbers: Mapping[str, tuple[int, int]]
    actions: int
    people: int

    def of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the batch's actions and people, int64 (B,) each, on its device."""
        pairs = torch.tensor([self.numbers[name] for name in batch.ids], device=batch.target.device)
        return pairs[:, 0], pairs[:, 1]


def labels_of(clips: Sequence[Clip], dataset: str) -> Labels:
    """Return the labels of training clips.

    In a dataset of people, the target is the person, and the clip names its action. In a dataset of actions, the
    target is the action, and the group is the person. Raises ElrError if there are fewer than two of either.
    """
    pairs = {clip.id: (clip.action, clip.target) if clip.action else (clip.target, clip.group) for clip in clips}
    actions, people = ({pair[which] for pair in pairs.values()} for which in (0, 1))
    for found, what in ((actions, "actions"), (people, "people")):
        if len(found) < 2 or None in found:
            raise ElrError(
                f"enhancer 'bdq' keeps the action and hides the person, but the training clips of '{dataset}' do not "
                f"name two {what}; use a dataset whose clips have subjects, or --enhancer-weights FILE"
            )
    numbers = [{name: number for number, name in enumerate(sorted(found, key=str))} for found in (actions, people)]
    return Labels(
        {clip: (numbers[0][action], numbers[1][person]) for clip, (action, person) in pairs.items()},
        len(actions),
        len(people),
    )
