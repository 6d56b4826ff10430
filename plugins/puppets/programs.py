"""Random motions: each number is a repeatable program of hands, feet and pelvis, to learn movement from.

Labels that a formula gives cost nothing. Kataoka et al., Pre-training without Natural Images, ACCV 2020, do it with
pictures of fractals; here the formula is a figure's movement.
"""

from __future__ import annotations

import math
from functools import cache

from elrbench_plugins.puppets import MOTION_CLASSES
from elrbench_plugins.puppets.actions import HANG, STAND, TALL, Action, Key
from elrbench_plugins.puppets.draws import PROGRAM, Draws

PROGRAMS = len(MOTION_CLASSES)
HELD = ("", "", "", "flag", "case", "phone")


@cache
def program(number: int) -> Action:
    """Return the motion of this number; every caller gets the same."""
    draws = Draws(PROGRAM, 0, number)
    keys: dict[str, tuple[Key, ...]] = _arms(draws) | _legs(draws)
    once = draws.chance(0.35)
    fast = draws.between(0.0, 1.0)
    middle = 0.5 + 3.5 * fast * fast  # cycles in a clip
    travel = draws.between(0.1, 0.4) if draws.chance(0.3) else 0.0
    return Action(
        name=f"motion-{number:03d}",
        keys=keys,
        cycles=(0.85 * middle, 1.15 * middle),
        single=tuple(keys) if once else (),
        once=((-0.1, 0.2), (0.4, 0.8)),
        prop=draws.pick(HELD),
        travel=0.0 if once else travel,
    )


def _arms(draws: Draws) -> dict[str, tuple[Key, ...]]:
    """Return keys of both hands: the left hand copies the right, does the opposite, moves on its own, or hangs."""
    count = draws.pick((2, 3, 4))
    right = _reaches(draws, count) if draws.chance(0.85) else HANG
    way = draws.units(1)[0]
    if way < 0.3:
        left = right
    elif way < 0.5:
        half = len(right) // 2
        left = right[half:] + right[:half]
    elif way < 0.75:
        left = _reaches(draws, count)
    else:
        left = HANG
    return {"hand_r": right, "hand_l": left}


def _reaches(draws: Draws, count: int) -> tuple[Key, ...]:
    """Return positions of a hand around a centre, in arm lengths from the shoulder, none out of reach."""
    centre = (draws.between(-0.2, 0.6), draws.between(-0.9, 0.8), draws.between(-0.2, 0.8))
    reach = draws.between(0.2, 0.7)
    found = []
    for _ in range(count):
        side, up, forward = (middle + reach * draws.between(-1.0, 1.0) for middle in centre)
        length = max(math.sqrt(side * side + up * up + forward * forward), 1e-6)
        scale = min(max(length, 0.3), 0.98) / length
        found.append((side * scale, up * scale, forward * scale))
    return tuple(found)


def _legs(draws: Draws) -> dict[str, tuple[Key, ...]]:
    """Return keys of feet, pelvis and trunk: steps, one moving foot, a crouch, or a still stance."""
    kind = draws.units(1)[0]
    right: tuple[Key, ...] = STAND
    left: tuple[Key, ...] = STAND
    pelvis: tuple[Key, ...] = TALL
    high, wide, bend = draws.between(0.05, 0.5), draws.between(0.2, 0.7), draws.between(-0.1, 0.6)
    if kind < 0.3:
        right = ((0.0, 0.0, wide), (0.0, 0.0, 0.0), (0.0, high / 2, -wide), (0.0, high, 0.0))
        left = right[2:] + right[:2]
    elif kind < 0.45:
        right = ((0.05, 0.0, 0.0), (0.1, high, -wide / 2), (0.1 + high / 2, high, wide), (0.05, high / 2, wide / 2))
    elif kind < 0.7:
        low = 1.0 - 0.9 * high
        pelvis = ((0.0, 1.02, 0.0), (0.0, low, -wide / 2))
    elif kind < 0.8:
        pelvis = ((0.0, 1.04 - high, -wide / 3),)
    lean: tuple[Key, ...] = ((0.0, 0.0, bend),)
    if draws.chance(0.4):
        lean = ((0.0, 0.0, bend), (draws.between(-0.3, 0.3), 0.0, draws.between(-0.2, 0.9)))
    return {"foot_r": right, "foot_l": left, "pelvis": pelvis, "lean": lean}
