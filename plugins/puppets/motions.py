"""`motions`: a figure in random motions, for pre-training.

A camera that moves films it from near and far, or a still one from the ceiling.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench_plugins.puppets.actions import Action, Tempo
from elrbench_plugins.puppets.camera import Camera, sway
from elrbench_plugins.puppets.draws import GENERATOR_VERSION, MOTION, NOISE, SCENE, Draws
from elrbench_plugins.puppets.keys import TEST_CLIPS, TEST_SUBJECTS, read_key
from elrbench_plugins.puppets.person import person, shadow, tempo
from elrbench_plugins.puppets.programs import PROGRAMS, program
from elrbench_plugins.puppets.raster import Floats, Shape, paint
from elrbench_plugins.puppets.scene import background, clutter, expose, light
from elrbench_plugins.puppets.subjects import Subject, subject, vivid

TRAIN_PEOPLE, TEST_PEOPLE = 400, 100
NEAREST, FARTHEST = 2.6, 0.55  # statures in picture heights: head and shoulders fill the picture, or all is in view
ABOVE = "above"  # a value of the option `camera`


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips; the class changes from clip to clip. `root` and `protocol` are not used."""
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for part, people, first, people_first in (
        ("train", TRAIN_PEOPLE, 0, 0),
        ("test", TEST_PEOPLE, TEST_CLIPS, TEST_SUBJECTS),
    ):
        for number in range(int(options[part])):
            target = number % PROGRAMS
            who = people_first + number // PROGRAMS % people
            key = {
                "version": GENERATOR_VERSION,
                "seed": options["draw_seed"],
                "clip": first + number,
                "subject": who,
                "program": target,
                "rows": options["rows"],
                "columns": options["columns"],
                "frames": options["frames"],
            }
            if options["camera"] == ABOVE:
                key["camera"] = ABOVE
            name = f"{part}-{number:06d}"
            source = Drawn("elrbench_plugins.puppets.motions:render", json.dumps(key, sort_keys=True))
            clips.append(Clip(id=name, source=source, target=target, group=f"subject-{who:04d}"))
            parts[part].append(name)
    return Index(clips=tuple(clips), folds={"1": Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))})


def render(key: str) -> Iterator[Frames]:
    """Draw the clip of `key`, all frames at once in RGB."""
    fields = read_key(key)
    rows, columns, clip, seed = fields["rows"], fields["columns"], fields["clip"], fields["seed"]
    motion, scene = Draws(MOTION, seed, clip), Draws(SCENE, seed, clip)
    frames = max(fields["frames"] + int(motion.between(-8, 9)), 1)
    unit = min(rows / 96, columns / 128)
    if fields.get("camera") == ABOVE:
        drift = np.zeros((frames, 2))
        who, action = subject(seed, fields["subject"]), program(fields["program"])
        how = tempo(motion, action, who)
        shapes = _shapes(scene, who, action, how, _from_above(scene, drift, rows, columns))
    else:
        drift = _drift(scene, frames, rows, columns, unit)
        shapes = []
        if scene.chance(0.25):  # someone else, farther away
            other = int(scene.between(0, PROGRAMS))
            shapes += _figure(scene, motion, seed, fields["subject"] + 1, other, drift, rows, columns, near=False)
        shapes += _figure(scene, motion, seed, fields["subject"], fields["program"], drift, rows, columns, near=True)
    margin = int(math.ceil(float(np.abs(drift).max()))) + 1
    wide = (rows + 2 * margin, columns + 2 * margin)
    picture = background(scene, *wide, wide[0] * scene.between(0.45, 0.95), unit)
    behind, before = clutter(scene, *wide, frames, unit)
    gain = light(scene, rows, columns)
    canvas = np.repeat(picture[None], frames, 0)
    for shape in behind:
        paint(canvas, shape)
    canvas = _window(canvas, drift, margin, rows, columns)
    for shape in shapes:
        paint(canvas, shape)
    for shape in before:
        paint(canvas, shape)
    canvas *= gain
    yield Frames(planes=expose(canvas, Draws(NOISE, seed, clip), 3.0), colour="rgb")


def _drift(scene: Draws, frames: int, rows: int, columns: int, unit: float) -> npt.NDArray[np.float64]:
    """Return the shift of the picture (T, 2) in pixels: shake, and in four of ten clips a pan."""
    shake = sway(scene, frames, scene.between(0.0, 4.0) * unit)
    pan = np.array([scene.between(-0.3, 0.3) * columns, scene.between(-0.1, 0.1) * rows])
    along = np.arange(frames)[:, None] / max(frames - 1, 1) - 0.5
    return np.round(shake + (along * pan if scene.chance(0.4) else 0 * along), 4)


def _figure(
    scene: Draws,
    motion: Draws,
    seed: int,
    number: int,
    which: int,
    drift: npt.NDArray[np.float64],
    rows: int,
    columns: int,
    *,
    near: bool,
) -> list[Shape]:
    """Return one person in one motion. near: False for someone in the background."""
    who, action = subject(seed, number), program(which)
    how = tempo(motion, action, who)
    close = scene.between(0.0, 1.0)
    size = FARTHEST + (NEAREST - FARTHEST) * close * close if near else 0.3 + 0.2 * close
    # Far figures stand near the bottom; of near ones the upper half is in the picture.
    foot = scene.between(0.85, 0.98) if size < 0.9 else scene.between(0.25, 0.35) + 0.75 * size
    mirrored = scene.chance(0.5)  # of the figure; the camera still drifts as before
    camera = Camera(
        yaw=scene.between(-1.9, 1.9),
        pitch=scene.between(-0.05, 0.45),
        roll=scene.between(-0.12, 0.12),
        stature=rows * size,
        x=columns * (scene.between(0.35, 0.65) if near else scene.between(0.1, 0.9)),
        y=rows * foot,
        columns=columns,
        mirrored=mirrored,
        jitter=drift * (-1.0, 1.0) if mirrored else drift,
    )
    return _shapes(scene, who, action, how, camera)


def _from_above(scene: Draws, drift: npt.NDArray[np.float64], rows: int, columns: int) -> Camera:
    """Return a camera at the ceiling, somewhere near above the person, who may face any way."""
    return Camera(
        yaw=scene.between(-math.pi, math.pi),
        pitch=math.pi / 2 + scene.between(-0.45, 0.45),
        roll=scene.between(-0.5, 0.5),
        stature=rows * scene.between(0.35, 1.0),
        x=columns * scene.between(0.2, 0.8),
        y=rows * scene.between(0.2, 0.8),
        columns=columns,
        mirrored=scene.chance(0.5),
        jitter=drift,
        overhead=True,
    )


def _shapes(scene: Draws, who: Subject, action: Action, how: Tempo, camera: Camera) -> list[Shape]:
    """Return the person and the shadow below."""
    frames = len(camera.jitter)
    accent, gloves = vivid(scene), vivid(scene)
    gloved = scene.chance(0.15)
    forward = action.travel * how.amplitude * (how.turns(frames) - how.turns(frames).mean())
    return [
        shadow(camera, forward),
        *person(who, action, how, camera, accent=accent, hands=gloves if gloved else None, props=True),
    ]


def _window(canvas: Floats, drift: npt.NDArray[np.float64], margin: int, rows: int, columns: int) -> Floats:
    """Return the part (T, rows, columns, 3) of a larger picture that the drifting camera sees, in whole pixels."""
    found = np.empty((len(canvas), rows, columns, 3), np.float32)
    for frame, (right, down) in enumerate(np.round(drift).astype(np.intp)):
        top, left = margin - down, margin - right
        found[frame] = canvas[frame, top : top + rows, left : left + columns]
    return found
