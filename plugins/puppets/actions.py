"""Whole-body actions: key positions of hands, feet and pelvis, and the small object that is held.

Keys are (side, up, forward), with side positive outward. Units: hands in arm lengths from the shoulder; `face` hands in
head radii from the middle of the head; feet and pelvis in leg lengths from the ground, below the hip and between the
feet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Key = tuple[float, float, float]
HANG: tuple[Key, ...] = ((0.10, -0.97, 0.06), (0.15, -0.95, 0.12))
STAND: tuple[Key, ...] = ((0.02, 0.0, 0.0),)
TALL: tuple[Key, ...] = ((0.0, 1.04, 0.0),)


@dataclass(frozen=True, kw_only=True)
class Action:
    """Keys per track, repeated `cycles` times in a clip; tracks in `single` are passed once.

    once: bounds of the beginning and of the duration of a single pass, as shares of the clip. prop: name of the small
    object in `props`, or "". travel: distance walked in a cycle, in statures. Tracks without keys keep a standing pose.
    """

    name: str
    keys: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    cycles: tuple[float, float] = (1.6, 2.8)
    single: tuple[str, ...] = ()
    once: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (1.0, 1.0))
    prop: str = ""
    travel: float = 0.0
    seat: bool = False


_REACH: tuple[Key, ...] = ((0.12, -0.95, 0.10),)
_RAISE = ((-0.15, 0.08), (0.12, 0.22))
_SWING: dict[str, tuple[Key, ...]] = {
    "hand_r": ((-0.10, 0.93, 0.10), (0.62, 0.70, 0.10)),
    "hand_l": HANG,
}
_STRIKE: dict[str, tuple[Key, ...]] = {
    "hand_r": ((0.30, 0.22, -0.12), (0.34, 0.25, -0.15), (-0.05, 0.22, 0.97), (0.0, 0.0, 0.80)),
    "hand_l": ((0.05, -0.40, 0.45), (0.08, -0.42, 0.40)),
    "lean": ((0.0, 0.0, -0.10), (0.0, 0.0, -0.12), (0.0, 0.0, 0.22), (0.0, 0.0, 0.15)),
    "foot_r": ((0.06, 0.0, -0.22),),
    "foot_l": ((0.06, 0.0, 0.20),),
    "pelvis": ((0.0, 0.98, -0.04), (0.0, 0.98, -0.05), (0.0, 0.97, 0.06), (0.0, 0.97, 0.04)),
}
_GAIT: dict[str, tuple[Key, ...]] = {
    "hand_r": ((0.10, -0.93, -0.32), (0.10, -0.96, 0.02), (0.10, -0.92, 0.36), (0.10, -0.96, 0.02)),
    "hand_l": ((0.10, -0.92, 0.36), (0.10, -0.96, 0.02), (0.10, -0.93, -0.32), (0.10, -0.96, 0.02)),
    "foot_r": ((0.0, 0.0, 0.42), (0.0, 0.0, 0.0), (0.0, 0.08, -0.42), (0.0, 0.17, 0.0)),
    "foot_l": ((0.0, 0.08, -0.42), (0.0, 0.17, 0.0), (0.0, 0.0, 0.42), (0.0, 0.0, 0.0)),
    "pelvis": ((0.0, 0.97, 0.0), (0.0, 1.03, 0.0), (0.0, 0.97, 0.0), (0.0, 1.03, 0.0)),
    "lean": ((0.0, 0.0, 0.06),),
}


def _at_head(name: str, spot: Key, prop: str = "") -> Action:
    """Return an action that raises a hand to a spot at the head. The spot and the object define the action."""
    side, up, forward = spot
    jiggle = ((side, up, forward), (side + 0.12, up + 0.10, forward), (side, up - 0.10, forward + 0.12))
    keys = {"hand_r": _REACH, "face_r": jiggle, "raised_r": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), "hand_l": HANG}
    return Action(name=name, keys=keys, single=("raised_r",), once=_RAISE, prop=prop)


ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        _at_head("phone", (1.15, -0.10, 0.15), "phone"),
        _at_head("drink", (0.20, -0.50, 1.25), "cup"),
        _at_head("scratch", (0.75, 0.75, 0.40)),
        Action(name="wave", keys=_SWING),
        Action(name="wave-flag", keys=_SWING, prop="flag"),
        Action(name="punch", keys=_STRIKE),
        Action(name="throw", keys=_STRIKE, prop="ball"),
        Action(name="walk", keys=_GAIT, travel=0.30),
        Action(name="carry", keys=_GAIT, travel=0.30, prop="case"),
        Action(
            name="jump",
            keys={
                "pelvis": ((0.0, 0.80, -0.08), (0.0, 1.06, 0.0), (0.0, 1.24, 0.0), (0.0, 1.06, 0.0)),
                "foot_r": ((0.06, 0.0, 0.0), (0.06, 0.03, 0.0), (0.14, 0.24, 0.0), (0.06, 0.03, 0.0)),
                "foot_l": ((0.06, 0.0, 0.0), (0.06, 0.03, 0.0), (0.14, 0.24, 0.0), (0.06, 0.03, 0.0)),
                "hand_r": ((0.20, -0.80, -0.35), (0.60, 0.0, 0.30), (0.65, 0.66, 0.20), (0.70, -0.2, 0.2)),
                "hand_l": ((0.20, -0.80, -0.35), (0.60, 0.0, 0.30), (0.65, 0.66, 0.20), (0.70, -0.2, 0.2)),
                "lean": ((0.0, 0.0, 0.35), (0.0, 0.0, 0.08), (0.0, 0.0, 0.0), (0.0, 0.0, 0.08)),
            },
        ),
        Action(
            name="sit",
            keys={
                "pelvis": ((0.0, 1.02, 0.0), (0.0, 0.80, -0.32), (0.0, 0.56, -0.46)),
                "lean": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.45), (0.0, 0.0, 0.02)),
                "hand_r": ((0.12, -0.95, 0.10), (0.08, -0.70, 0.60), (0.06, -0.62, 0.62)),
                "hand_l": ((0.12, -0.95, 0.10), (0.08, -0.70, 0.60), (0.06, -0.62, 0.62)),
            },
            single=("pelvis", "lean", "hand_r", "hand_l"),
            once=((-0.10, 0.20), (0.30, 0.50)),
            seat=True,
        ),
        Action(
            name="kick",
            keys={
                "foot_r": ((0.04, 0.02, -0.15), (0.04, 0.28, -0.55), (0.04, 0.50, 0.85), (0.04, 0.20, 0.35)),
                "pelvis": ((0.0, 1.02, 0.0), (0.0, 1.0, 0.03), (0.0, 1.0, -0.05), (0.0, 1.02, 0.0)),
                "lean": ((0.0, 0.0, 0.05), (0.0, 0.0, 0.18), (0.0, 0.0, -0.22), (0.0, 0.0, -0.05)),
                "hand_r": ((0.35, -0.85, 0.0), (0.55, -0.65, 0.25), (0.55, -0.60, -0.35), (0.40, -0.80, -0.1)),
                "hand_l": ((0.35, -0.85, 0.0), (0.55, -0.60, -0.30), (0.55, -0.60, 0.35), (0.40, -0.80, 0.1)),
            },
        ),
    )
}

_SPRINT: dict[str, tuple[Key, ...]] = {
    "hand_l": ((0.10, -0.45, 0.45), (0.10, -0.70, 0.05), (0.10, -0.75, -0.40), (0.10, -0.70, 0.05)),
    "hand_r": ((0.10, -0.75, -0.40), (0.10, -0.70, 0.05), (0.10, -0.45, 0.45), (0.10, -0.70, 0.05)),
    "foot_r": ((0.0, 0.05, 0.55), (0.0, 0.0, 0.0), (0.0, 0.25, -0.60), (0.0, 0.40, -0.05)),
    "foot_l": ((0.0, 0.25, -0.60), (0.0, 0.40, -0.05), (0.0, 0.05, 0.55), (0.0, 0.0, 0.0)),
    "pelvis": ((0.0, 1.04, 0.0), (0.0, 0.94, 0.0), (0.0, 1.04, 0.0), (0.0, 0.94, 0.0)),
    "lean": ((0.0, 0.0, 0.22),),
}
_TELL: tuple[Key, ...] = ((0.15, -0.50, 0.45), (0.40, -0.25, 0.55), (0.20, -0.55, 0.40), (0.05, -0.30, 0.60))

ACTIVITIES: Mapping[str, Action] = {
    "standing": Action(name="standing"),
    "walking": ACTIONS["walk"],
    "running": Action(name="running", keys=_SPRINT, cycles=(3.6, 5.0), travel=0.30),
    "sitting": ACTIONS["sit"],
    "jumping": ACTIONS["jump"],
    "waving": ACTIONS["wave"],
    "phoning": ACTIONS["phone"],
    "carrying": ACTIONS["carry"],
    "throwing": ACTIONS["throw"],
    "talking": Action(name="talking", keys={"hand_r": _TELL, "hand_l": _TELL[::-1]}),
}

SINGLE: tuple[str, ...] = tuple(ACTIONS)


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """How one clip performs an action: phase, speed, amplitude, and the time of a single pass."""

    phase: float
    cycles: float
    begin: float
    length: float
    amplitude: float = 1.0
    lean: Key = (0.0, 0.0, 0.0)

    def turns(self, frames: int) -> npt.NDArray[np.float64]:
        """Return the number of cycles completed at each frame (T,)."""
        return self.phase + self.cycles * np.arange(frames) / max(frames - 1, 1)

    def progress(self, frames: int) -> npt.NDArray[np.float64]:
        """Return the progress of a single pass at each frame (T,), in [0, 1]."""
        return np.clip((np.arange(frames) / max(frames - 1, 1) - self.begin) / self.length, 0.0, 1.0)


def _through(keys: npt.NDArray[np.float64], at: npt.NDArray[np.float64], circle: bool) -> npt.NDArray[np.float64]:
    """Return positions (T, 3) at times `at` (T,), counted in keys, with easing from key to key."""
    last = len(keys)
    here = np.floor(at).astype(np.intp)
    share = at - here
    share = (share * share * (3 - 2 * share))[:, None]
    here, then = (here % last, (here + 1) % last) if circle else (here, np.minimum(here + 1, last - 1))
    return keys[here] + share * (keys[then] - keys[here])


def tracks(action: Action, tempo: Tempo, frames: int) -> dict[str, npt.NDArray[np.float64]]:
    """Return all tracks of a performance, each (T, 3). `travel` is in statures, zero at the middle of the clip."""
    turns, progress = tempo.turns(frames), tempo.progress(frames)
    found = {}
    stance = {
        "hand_r": HANG,
        "hand_l": HANG,
        "foot_r": STAND,
        "foot_l": STAND,
        "pelvis": TALL,
        "lean": ((0.0, 0.0, 0.0),),
    }
    for track, keys in (stance | dict(action.keys)).items():
        array = np.array(keys)
        if track.startswith(("hand", "pelvis")) and track not in action.single:
            middle = array.mean(0)
            array = middle + tempo.amplitude * (array - middle)
        elif track.startswith("foot"):
            array = array * tempo.amplitude
        circle = track not in action.single
        found[track] = _through(array, turns * len(array) if circle else progress * (len(array) - 1), circle)
    found["lean"] = found["lean"] + np.array(tempo.lean)
    forward = action.travel * tempo.amplitude * (turns - turns.mean())
    found["travel"] = np.stack([0 * forward, 0 * forward, forward], 1)
    return found


def combine(legs: Action, arms: Action) -> Action:
    """Return an action with the legs of one action, and the arms and the object of another."""
    taken = {track: keys for track, keys in arms.keys.items() if track.startswith(("hand", "face", "raised"))}
    return Action(
        name=f"{legs.name} {arms.name}",
        keys=dict(legs.keys) | taken,
        cycles=legs.cycles,
        single=tuple(track for track in legs.single if track not in taken)
        + tuple(track for track in arms.single if track in taken),
        once=legs.once if legs.single else arms.once,
        prop=arms.prop,
        travel=legs.travel,
        seat=legs.seat,
    )
