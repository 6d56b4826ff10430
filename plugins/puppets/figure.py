"""An articulated figure: joint positions for the hands, feet and pelvis of an action.

Lengths are in statures; axes are side (positive to the figure's left), up and forward. Ground is up = 0.
The acting arm and leg are on the right; the camera may mirror the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]  # (T, 3)


@dataclass(frozen=True, kw_only=True)
class Body:
    """Lengths and half widths in statures. `girth` is a factor on all radii."""

    leg: float = 0.50
    torso: float = 0.29
    arm: float = 0.36
    shoulder: float = 0.115
    hip: float = 0.055
    head: float = 0.062
    girth: float = 1.0


@dataclass(frozen=True)
class Joints:
    """Joint positions (T, 3) by name; pairs end in `_r` and `_l`."""

    at: Mapping[str, Points]

    def __getitem__(self, name: str) -> Points:
        return self.at[name]


def bend(root: Points, target: Points, upper: float, lower: float, pole: Points) -> tuple[Points, Points]:
    """Return the middle joint and the end of a limb of two bones, each (T, 3). The middle bends towards `pole` (T, 3).

    If the target is out of reach, the limb is stretched straight towards it.
    """
    line = target - root
    far = np.sqrt((line * line).sum(1, keepdims=True))
    way = line / np.maximum(far, 1e-6)
    reach = np.clip(far, abs(upper - lower) + 1e-3, (upper + lower) * 0.999)
    along = (upper * upper - lower * lower + reach * reach) / (2 * reach)
    off = np.sqrt(np.maximum(upper * upper - along * along, 0))
    side = pole - (pole * way).sum(1, keepdims=True) * way
    side = side / np.maximum(np.sqrt((side * side).sum(1, keepdims=True)), 1e-6)
    return root + along * way + off * side, root + reach * way


def joints(body: Body, tracks: Mapping[str, Points]) -> Joints:
    """Return the joints of the figure for the tracks of an action (see `actions.Action`)."""
    count = len(tracks["pelvis"])
    up = np.array([0.0, 1.0, 0.0])
    pelvis = tracks["pelvis"] * body.leg + tracks["travel"]
    lean = tracks["lean"] + up
    lean = lean / np.sqrt((lean * lean).sum(1, keepdims=True))
    neck = pelvis + lean * body.torso
    head = neck + lean * body.head * 1.45 + np.array([0.0, 0.0, 0.012])
    at = {"pelvis": pelvis, "neck": neck, "head": head}
    for name, sign in (("r", -1.0), ("l", 1.0)):
        mirror = np.array([sign, 1.0, 1.0])
        outward = np.array([sign, 0.0, 0.0])
        shoulder = neck - lean * 0.025 + outward * body.shoulder
        pole = np.broadcast_to(np.array([0.5 * sign, -1.0, -0.35]), (count, 3))
        if f"face_{name}" in tracks:  # hand at the head: the target is in head radii from the middle of the head
            near = head + tracks[f"face_{name}"] * mirror * body.head
            aside = shoulder + tracks[f"hand_{name}"] * mirror * body.arm
            share = tracks[f"raised_{name}"]
            hand = aside + share * (near - aside) + share * (1 - share) * np.array([0.0, 0.0, 0.35])
        else:
            hand = shoulder + tracks[f"hand_{name}"] * mirror * body.arm
        elbow, wrist = bend(shoulder, hand, body.arm * 0.52, body.arm * 0.48, pole)
        hip = pelvis + outward * body.hip
        spot = outward * body.hip + tracks["travel"] + np.array([0.0, 0.035, 0.0])
        ankle = spot + tracks[f"foot_{name}"] * mirror * body.leg
        knee, ankle = bend(
            hip, ankle, body.leg * 0.5, body.leg * 0.5, np.broadcast_to([0.1 * sign, 0.0, 1.0], (count, 3))
        )
        shin = (ankle - knee) / (body.leg * 0.5)
        toe = np.array([0.2 * sign, 0.0, 0.0]) + np.stack([0 * shin[:, 0], shin[:, 2], -shin[:, 1]], 1)
        toe = toe / np.sqrt((toe * toe).sum(1, keepdims=True))
        at |= {f"shoulder_{name}": shoulder, f"elbow_{name}": elbow, f"hand_{name}": wrist}
        at |= {f"hip_{name}": hip, f"knee_{name}": knee, f"ankle_{name}": ankle, f"toe_{name}": ankle + 0.075 * toe}
    return Joints(at)
