"""`puppets`: one person, one action. Several actions differ only in a small object or in the place of a hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench_plugins.puppets.actions import ACTIONS, SINGLE
from elrbench_plugins.puppets.camera import Camera, sway
from elrbench_plugins.puppets.draws import CLOTHES, GENERATOR_VERSION, MOTION, NOISE, SCENE, Draws
from elrbench_plugins.puppets.keys import TEST_CLIPS, TEST_SUBJECTS, read_key
from elrbench_plugins.puppets.person import person, shadow, stool, tempo
from elrbench_plugins.puppets.raster import Colour, Shape, paint
from elrbench_plugins.puppets.scene import background, clutter, expose, light
from elrbench_plugins.puppets.subjects import dressed, hue, subject, vivid

TRAIN_PEOPLE, TEST_PEOPLE = 40, 60
CAMERA = 10 * TEST_CLIPS  # distance of the numbers of two cameras' draws: above the number of any clip of `puppets`


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips, class by class, subject by subject. `root` and `protocol` are not used."""
    return listed(options, test_people=range(TEST_SUBJECTS, TEST_SUBJECTS + TEST_PEOPLE))


def listed(options: Mapping[str, Value], *, test_people: range) -> Index:
    """Return the clips of the 40 training people, and test clips of `test_people`."""
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for part, people, first in (("train", range(TRAIN_PEOPLE), 0), ("test", test_people, TEST_CLIPS)):
        for number in range(int(options[part])):
            target = number % len(SINGLE)
            who = people[number // len(SINGLE) % len(people)]
            key = {
                "version": GENERATOR_VERSION,
                "seed": options["draw_seed"],
                "clip": first + number,
                "subject": who,
                "action": SINGLE[target],
                "rows": options["rows"],
                "columns": options["columns"],
                "frames": options["frames"],
                **({"cameras": cameras} if (cameras := int(options.get("cameras", 1))) > 1 else {}),
                **({"clothes": "any"} if options.get("clothes") == "any" else {}),
            }
            name = f"{part}-{number:05d}"
            source = Drawn("elrbench_plugins.puppets.single:render", json.dumps(key, sort_keys=True))
            clips.append(Clip(id=name, source=source, target=target, group=f"subject-{who:04d}"))
            parts[part].append(name)
    return Index(clips=tuple(clips), folds={"1": Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))})


@dataclass(frozen=True)
class Look:
    """What all cameras of a clip share. yaw: of the first camera; see `Camera`. gloves: None for bare hands."""

    yaw: float
    mirrored: bool
    accent: Colour
    gloves: Colour | None
    seated: bool


def render(key: str, *, props: bool = True) -> Iterator[Frames]:
    """Draw the clip of `key`, all frames at once in RGB. `props=False` draws it without its small object.

    Cameras stand at equal angles around the figure. Their pictures are side by side, from the first one on the left.
    """
    fields = read_key(key)
    cameras = fields.get("cameras", 1)
    look: Look | None = None
    seen = []
    for number in range(cameras):
        planes, first = _seen(fields, number, 2 * math.pi * number / cameras, look, props=props)
        look = look or first
        seen.append(planes)
    yield Frames(planes=tuple(np.concatenate(parts, 2) for parts in zip(*seen, strict=True)), colour="rgb")


def _seen(
    fields: Mapping[str, Any], number: int, turn: float, look: Look | None, *, props: bool
) -> tuple[tuple[npt.NDArray[np.uint8], ...], Look]:
    """Return the planes (T, rows, columns) of one camera, and what all cameras share: `look`, or drawn if None.

    number: of the camera. turn: its angle from the first camera, in radians.
    """
    rows, columns, seed = fields["rows"], fields["columns"], fields["seed"]
    clip = fields["clip"] + number * CAMERA  # cameras differ in scene and noise, not in motion
    action, who = ACTIONS[fields["action"]], subject(seed, fields["subject"])
    if fields.get("clothes") == "any":
        who = dressed(who, Draws(CLOTHES, seed, fields["clip"]))
    motion, scene = Draws(MOTION, seed, fields["clip"]), Draws(SCENE, seed, clip)
    frames = max(fields["frames"] + int(motion.between(-4, 5)), 1)
    how = tempo(motion, action, who)
    unit = min(rows / 96, columns / 128)
    camera = Camera(
        yaw=scene.between(0.40, 1.05),
        pitch=scene.between(0.0, 0.22),
        roll=scene.between(-0.07, 0.07),
        stature=96 * unit * scene.between(0.68, 0.77),
        x=columns * scene.between(0.42, 0.58),
        y=rows * scene.between(0.90, 0.96),
        columns=columns,
        mirrored=scene.chance(0.5),
        jitter=np.round(sway(scene, frames, 1.5 * unit), 4),
    )
    accent, gloves = vivid(scene), vivid(scene)
    gloved = scene.chance(0.4)
    picture = background(scene, rows, columns, camera.y - rows * scene.between(0.04, 0.22), unit)
    behind, before = clutter(scene, rows, columns, frames, unit)
    seated = scene.chance(0.2)
    gain = light(scene, rows, columns)
    look = look or Look(camera.yaw, camera.mirrored, accent, gloves if gloved else None, seated)
    camera = replace(camera, yaw=look.yaw + turn, mirrored=look.mirrored)

    forward = action.travel * how.amplitude * (how.turns(frames) - how.turns(frames).mean())
    shapes: list[Shape] = [*behind, shadow(camera, forward)]
    if action.seat or look.seated:
        shapes.append(stool(camera, hue(scene)))
    shapes += person(who, action, how, camera, accent=look.accent, hands=look.gloves, props=props)
    canvas = np.repeat(picture[None], frames, 0)
    for shape in (*shapes, *before):
        paint(canvas, shape)
    canvas *= gain
    return expose(canvas, Draws(NOISE, seed, clip), 3.0), look
