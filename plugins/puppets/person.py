"""A clothed figure as shapes, from far to near."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from elrbench_plugins.puppets.actions import Action, Tempo, tracks
from elrbench_plugins.puppets.camera import Camera
from elrbench_plugins.puppets.draws import Draws
from elrbench_plugins.puppets.figure import joints
from elrbench_plugins.puppets.props import PROPS, Grip
from elrbench_plugins.puppets.raster import Capsule, Colour, Plate, Shape
from elrbench_plugins.puppets.subjects import Subject


def tempo(draws: Draws, action: Action, who: Subject) -> Tempo:
    """Return how this person performs the action in one clip. Every action takes the same number of draws."""
    phase, cycles, begin, length, wide = draws.units(5)
    (early, late), (short, long) = action.once
    slow, fast = action.cycles
    return Tempo(
        phase=float(phase),
        cycles=who.pace * (slow + (fast - slow) * float(cycles)),
        begin=early + (late - early) * float(begin),
        length=(short + (long - short) * float(length)) / who.pace,
        amplitude=who.amplitude * (0.92 + 0.16 * float(wide)),
        lean=(0.0, 0.0, who.stoop),
    )


def person(
    who: Subject,
    action: Action,
    how: Tempo,
    camera: Camera,
    *,
    accent: Colour,
    hands: Colour | None,
    props: bool = True,
) -> list[Shape]:
    """Return the shapes of the person, in as many frames as `camera.jitter` has.

    accent: colour of the held object. hands: colour of gloves, None for bare hands. props: False omits the object.
    """
    frames = len(camera.jitter)
    body, size = who.body, camera.stature
    at = joints(body, tracks(action, how, frames))
    layers: list[tuple[float, Shape]] = []

    def limb(a: str, b: str, ra: float, rb: float, colour: Colour, lift: float = 0.0, rim: float = 0.62) -> None:
        pa, near_a = camera.see(at[a])
        pb, near_b = camera.see(at[b])
        girth = body.girth * size
        shape = Capsule(a=pa, b=pb, ra=ra * girth, rb=rb * girth, colour=colour, rim=rim)
        layers.append((round(float((near_a + near_b).mean()) / 2, 6) + lift, shape))

    sleeve = who.skin if who.short_sleeves else who.top
    shin = who.skin if who.short_trousers else who.bottom
    for side in ("r", "l"):
        limb(f"hip_{side}", f"knee_{side}", 0.050, 0.036, who.bottom, -0.02)
        limb(f"knee_{side}", f"ankle_{side}", 0.034, 0.022, shin, -0.02)
        limb(f"ankle_{side}", f"toe_{side}", 0.022, 0.018, who.shoes, -0.01)
        limb(f"shoulder_{side}", f"elbow_{side}", 0.032, 0.026, who.top)
        limb(f"elbow_{side}", f"hand_{side}", 0.024, 0.019, sleeve, 0.02)
        limb(f"hand_{side}", f"hand_{side}", 0.025, 0.025, hands or who.skin, 0.04, 0.8)
    limb("hip_r", "hip_l", 0.052, 0.052, who.bottom, -0.01)
    limb("neck", "pelvis", 0.072, 0.064, who.top)
    limb("shoulder_r", "shoulder_l", 0.040, 0.040, who.top)
    up = (at["head"] - at["neck"]) / (1.46 * body.head)
    heads = dict(at.at)
    back = np.array([0.0, 0.0, 1.0])
    heads["hair"] = at["head"] + body.head * (0.18 * up - 0.28 * back)
    heads["nape"] = at["head"] - body.head * ((1.0 if who.long_hair else 0.2) * up + 0.45 * back)
    heads["face"] = at["head"] + body.head * (0.22 * back - 0.12 * up)
    heads["nose"] = at["head"] + body.head * (1.05 * back - 0.15 * up)
    at = type(at)(heads)
    radius = body.head / body.girth  # the size of the head does not depend on girth
    limb("neck", "head", 0.030, 0.030, who.skin, -0.01)
    limb("hair", "nape", radius, 0.85 * radius, who.hair)
    limb("face", "face", 0.84 * radius, 0.84 * radius, who.skin, 0.005)
    limb("nose", "nose", 0.16 * radius, 0.16 * radius, who.skin, 0.006)
    shapes = [shape for _, shape in sorted(layers, key=lambda layer: layer[0])]
    if props and action.prop:
        grip = Grip(joints=at, body=body, camera=camera, turns=how.turns(frames), colour=accent)
        shapes.extend(PROPS[action.prop](grip))
    return shapes


def shadow(camera: Camera, forward: npt.NDArray[np.float64]) -> Shape:
    """Return a dark patch on the ground below a person at `forward` (T,) statures."""
    ground = np.zeros((len(forward), 3))
    ground[:, 2] = forward
    size = camera.stature
    a = camera.see(ground + np.array([-0.12, 0.0, 0.0]))[0]
    b = camera.see(ground + np.array([0.12, 0.0, 0.0]))[0]
    return Capsule(a=a, b=b, ra=0.035 * size, rb=0.035 * size, colour=(0.0, 0.0, 0.0), opacity=0.35, rim=1)


def stool(camera: Camera, colour: Colour) -> Shape:
    """Return a stool behind the feet."""
    place = np.broadcast_to(np.array([0.0, 0.105, -0.24]), (len(camera.jitter), 3))
    middle = camera.see(place)[0]
    line = camera.see(place + np.array([0.0, 0.5, 0.0]))[0].astype(np.float64) - middle
    axis = np.round(line / np.sqrt((line * line).sum(1, keepdims=True)), 5).astype(np.float32)
    size = camera.stature
    return Plate(centre=middle, axis=axis, half=(0.105 * size, 0.11 * size), colour=colour)
