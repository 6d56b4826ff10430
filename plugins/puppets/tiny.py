"""`tiny-puppets`: crops of different sizes around people and vehicles that do one or several things at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench_plugins.puppets import TINY_CLASSES
from elrbench_plugins.puppets.actions import ACTIVITIES, Action, combine
from elrbench_plugins.puppets.camera import Camera, sway
from elrbench_plugins.puppets.draws import CAST, GENERATOR_VERSION, MOTION, NOISE, SCENE, Draws
from elrbench_plugins.puppets.keys import TEST_CLIPS, TEST_SUBJECTS, read_key
from elrbench_plugins.puppets.person import person, shadow, stool, tempo
from elrbench_plugins.puppets.raster import Floats, Shape, paint
from elrbench_plugins.puppets.scene import background, clutter, expose, light
from elrbench_plugins.puppets.subjects import hue, subject, vivid
from elrbench_plugins.puppets.vehicle import vehicle

# Differs from the numbers of clips of `puppets`: no motion is in both, and no scene of its first camera. Further
# cameras draw scenes by numbers from here on (`single.CAMERA`), which these clips may share.
FIRST_CLIP = 10_000_000
PAIRS = 40  # pairs of subjects in each part: the two people that a clip may show
CANVAS = 96  # smallest side of the picture before it is averaged down

GAITS = (
    "walking",
    "walking",
    "walking",
    "running",
    "running",
    "standing",
    "standing",
    "standing",
    "sitting",
    "sitting",
    "jumping",
    "jumping",
)
ARMS: Mapping[str, tuple[str, ...]] = {
    "standing": ("waving", "phoning", "carrying", "throwing", "throwing", "throwing"),
    "walking": ("waving", "phoning", "carrying"),
    "running": ("waving", "carrying"),
    "sitting": ("waving", "phoning"),
    "jumping": (),
}


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips and their activities. `root` and `protocol` are not used."""
    smallest, largest = int(options["smallest"]), int(options["largest"])
    if smallest > largest:
        raise ElrError(f"dataset.smallest={smallest} exceeds dataset.largest={largest}; set it to {largest} or less")
    seed = int(options["draw_seed"])
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for part, first, people in (("train", 0, 0), ("test", TEST_CLIPS, TEST_SUBJECTS)):
        for number in range(int(options[part])):
            clip, pair = FIRST_CLIP + first + number, people + 2 * (number % PAIRS)
            draws = Draws(CAST, seed, clip)
            rows, columns = crop_size(draws, smallest, largest)
            people_do, drives = cast(draws)
            key = {
                "version": GENERATOR_VERSION,
                "seed": seed,
                "clip": clip,
                "subject": pair,
                "people": people_do,
                "vehicle": drives,
                "rows": rows,
                "columns": columns,
                "frames": options["frames"],
            }
            labels = {TINY_CLASSES.index(label) for does in people_do for label in does}
            labels |= {TINY_CLASSES.index(drives)} if drives else set()
            name = f"{part}-{number:05d}"
            source = Drawn("elrbench_plugins.puppets.tiny:render", json.dumps(key, sort_keys=True))
            clips.append(Clip(id=name, source=source, target=tuple(sorted(labels)), group=f"pair-{pair:04d}"))
            parts[part].append(name)
    return Index(clips=tuple(clips), folds={"1": Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))})


def crop_size(draws: Draws, smallest: int, largest: int) -> tuple[int, int]:
    """Return rows and columns of a nearly square crop. Sizes are spread over octaves, larger ones more likely."""
    share = draws.between(0.0, 1.0)
    share = share * (1.6 - 0.6 * share)  # median of 10..128 px: about 51
    side = math.exp(math.log(smallest) + share * math.log(largest / smallest))
    wide = draws.between(0.87, 1.15)
    rows, columns = round(round(side, 6)), round(round(side * wide, 6))
    return min(max(rows, smallest), largest), min(max(columns, smallest), largest)


def cast(draws: Draws) -> tuple[list[list[str]], str]:
    """Return the activities of each person, and the activity of a vehicle ("" without a vehicle)."""
    kind = draws.between(0.0, 1.0)
    drives = draws.pick(("vehicle-moving", "vehicle-stopping")) if kind >= 0.70 else ""
    if kind < 0.45:
        return [_does(draws, 0.60)], drives
    if kind < 0.57:
        return [["standing", "talking"], ["standing", "talking"]], drives
    if kind < 0.70:
        return [_does(draws, 0.4), _does(draws, 0.4)], drives
    return [_does(draws, 0.3)] if kind >= 0.85 else [], drives


def _does(draws: Draws, arms: float) -> list[str]:
    """Return a gait, and with probability `arms` an activity of the arms."""
    gait = draws.pick(GAITS)
    if ARMS[gait] and draws.chance(arms):
        return [gait, draws.pick(ARMS[gait])]
    return [gait]


def render(key: str) -> Iterator[Frames]:
    """Draw the clip of `key`, all frames at once in RGB: at `CANVAS` pixels or more, area averages, then noise."""
    fields = read_key(key)
    rows, columns, clip, seed = fields["rows"], fields["columns"], fields["clip"], fields["seed"]
    motion, scene = Draws(MOTION, seed, clip), Draws(SCENE, seed, clip)
    frames = max(fields["frames"] + int(motion.between(-4, 5)), 1)
    factor = -(-CANVAS // min(rows, columns))
    height, width = rows * factor, columns * factor
    unit = min(height, width) / 96
    picture = background(scene, height, width, height * scene.between(0.15, 0.75), unit)
    behind, before = clutter(scene, height, width, frames, unit)
    gain = light(scene, height, width)
    wander = np.round(sway(scene, frames, 1.5 * unit), 4)
    shapes: list[Shape] = list(behind)
    if fields["vehicle"]:
        shapes += vehicle(scene, height, width, frames, fields["vehicle"] == "vehicle-stopping")
    shapes += _people(fields, motion, scene, height, width, wander)
    canvas = np.repeat(picture[None], frames, 0)
    for shape in (*shapes, *before):
        paint(canvas, shape)
    canvas *= gain
    yield Frames(planes=expose(_average(canvas, factor), Draws(NOISE, seed, clip), 2.0), colour="rgb")


def _people(
    fields: Mapping[str, Any], motion: Draws, scene: Draws, height: int, width: int, wander: np.ndarray
) -> list[Shape]:
    """Return the shapes of the people, next to each other. Two people who talk face each other."""
    shapes: list[Shape] = []
    people = fields["people"]
    talk = any("talking" in does for does in people)
    size = 96 * min(height, width) / 96 * (0.80 if len(people) == 1 and not fields["vehicle"] else 0.68)
    for place, does in enumerate(people):
        who = subject(fields["seed"], fields["subject"] + place)
        action = _activity(does)
        how = tempo(motion, action, who)
        right = place == 1
        mirrored = right if talk else scene.chance(0.5)
        x = width * (0.5 + (0.0 if len(people) == 1 else 0.22 if right else -0.22) + scene.between(-0.05, 0.05))
        camera = Camera(
            yaw=scene.between(0.9, 1.3) if talk else scene.between(0.35, 1.15),
            pitch=scene.between(0.05, 0.45),
            roll=scene.between(-0.06, 0.06),
            stature=size * scene.between(0.90, 1.0),
            x=width - 1 - x if mirrored else x,
            y=height * scene.between(0.90, 0.96),
            columns=width,
            mirrored=mirrored,
            jitter=wander * np.array([-1.0 if mirrored else 1.0, 1.0]),
        )
        accent, gloves, seat = vivid(scene), vivid(scene), hue(scene)
        gloved = scene.chance(0.3)
        forward = action.travel * how.amplitude * (how.turns(len(wander)) - how.turns(len(wander)).mean())
        shapes.append(shadow(camera, forward))
        if action.seat:
            shapes.append(stool(camera, seat))
        shapes += person(who, action, how, camera, accent=accent, hands=gloves if gloved else None)
    return shapes


def _activity(does: list[str]) -> Action:
    """Return one action that combines all activities of a person."""
    gait = ACTIVITIES[does[0]]
    return combine(gait, ACTIVITIES[does[1]]) if len(does) > 1 else gait


def _average(canvas: Floats, factor: int) -> Floats:
    """Return means over `factor` x `factor` pixels, summed in a fixed order."""
    rows = sum((canvas[:, start::factor] for start in range(factor)), np.float32(0))
    both = sum((rows[:, :, start::factor] for start in range(factor)), np.float32(0))
    return np.asarray(both * np.float32(1 / factor**2), np.float32)
