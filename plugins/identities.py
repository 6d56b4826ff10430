"""Make a dataset of people from a dataset of actions: the same clips, with the person as target.

The same people are in training and test clips, in other recordings: a classifier cannot name people it has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from elrbench import Clip


def of_people(clips: Sequence[Clip], actions: Sequence[str], people: Mapping[str, int]) -> tuple[Clip, ...]:
    """Return the clips with the person as target and the name of the action as `action`.

    actions: names of the classes of `clips`. people: group -> class number of the person.
    """
    return tuple(
        replace(clip, target=people[clip.group], action=actions[clip.target])
        for clip in clips
        if isinstance(clip.target, int)
    )
