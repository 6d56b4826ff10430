"""The plan: all names and numbers of one run, for one fold and one seed. Equal plans describe the same run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_core.canonical import digest_of
from benchmark_core.clips.modality import early_parts, streams
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value

TEACHER_BACKBONE = "teacher_backbone"  # prefix of settings: options of the teacher's backbone


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A resolved plan. `settings` holds every option of every component as "KIND.KEY".

    Options marked as added are left out at their default; fields with a default are left out if empty.
    Options of a teacher's backbone, "teacher_backbone.KEY", are only those of a template's (`BackboneSpec.at`).
    high_source: dataset that high views come from. "" if low and high are views of the same clip; on a natively low
        track "self" or another dataset.
    size: (H, W) in pixels, the same for low and high views.
    classes: subset of the dataset's classes, in its order; () for all.
    unlabelled: dataset of unlabelled clips that the method may also learn from.
    teacher: trained network to use instead of training a teacher, as METHOD@DIGEST of its weights.
    holdout: fraction of the training clips that the run is tested on, instead of the test clips.
    teacher_backbone, teacher_weights, teacher_size: of the teacher's network and of its high views; empty: the same as
        of the student.
    teacher_frames: number of single frames of a view that a 2D teacher sees; 0: the same K x T frames as the student.
    test_views: crops in time and mirrored copies of a test clip whose probabilities are averaged, such as `3+mirror`.
    processes: number of processes that train together; 0: one.
    keep: epoch with which stages that train the recognizer end: "" for the last, `best` by the primary score on
        held-out clips, or `best-every-N`, the best of every N-th epoch.
    batch_norm: "sync": batch normalisation uses the clips of all processes; "": each process uses its own.
    """

    method: str
    dataset: str
    protocol: str
    fold: str
    degradation: str
    high_source: str
    enhancer: str
    backbone: str
    weights: str
    modality: str
    size: tuple[int, int]
    sampling: str
    precision: str
    budget: str
    seed: int
    settings: Mapping[str, Value]
    classes: tuple[str, ...] = ()
    unlabelled: str = ""
    teacher: str = ""
    holdout: float = 0.0
    test_views: str = ""
    teacher_backbone: str = ""
    teacher_weights: str = ""
    teacher_size: tuple[int, ...] = ()
    teacher_frames: int = 0
    processes: int = 0
    batch_norm: str = ""
    keep: str = ""

    @property
    def high_size(self) -> tuple[int, int]:
        """(H, W) of the teacher's network and of stored high views."""
        height, width = self.teacher_size or self.size
        return height, width

    @property
    def of_teacher(self) -> Plan:
        """The plan of the teacher's network alone: its backbone, weights, size and frames as those of the student.

        Another backbone than the student's has its default options. If the student has early fusion, such a teacher and
        one of single frames see pictures alone. Equal to the plan if the two networks are equal.
        """
        settings, modality = self.settings, self.modality
        if self.teacher_backbone not in ("", self.backbone):
            own = self.options(TEACHER_BACKBONE)
            left_out = ("backbone.", f"{TEACHER_BACKBONE}.")
            settings = {key: value for key, value in settings.items() if not key.startswith(left_out)}
            settings |= {f"backbone.{key}": value for key, value in own.items()}
        if early_parts(modality) and (self.teacher_frames or self.teacher_backbone not in ("", self.backbone)):
            modality = "rgb"
        return dataclasses.replace(
            self,
            backbone=self.teacher_backbone or self.backbone,
            weights=self.teacher_weights or self.weights,
            size=self.high_size,
            sampling=f"{self.teacher_frames}x1" if self.teacher_frames else self.sampling,
            modality=modality,
            settings=settings,
            teacher_backbone="",
            teacher_weights="",
            teacher_size=(),
            teacher_frames=0,
        )

    @property
    def untrained(self) -> Plan:
        """The plan with networks that load no weights: trained weights follow, or only shapes are needed."""
        return dataclasses.replace(self, weights="scratch", teacher_weights="")

    @property
    def protocol_name(self) -> str:
        """The protocol's name in tables, such as `split1,classes=6-1a2b3c4d,fold=1,holdout=0.1`."""
        parts = [self.protocol]
        if self.classes:
            parts.append(f"classes={len(self.classes)}-{digest_of(list(self.classes))[:8]}")
        if self.holdout:
            parts.append(f"fold={self.fold},holdout={self.holdout}")  # a validation split is of one fold
        if self.test_views:
            parts.append(f"views={self.test_views}")
        return ",".join(parts)

    @property
    def hr_source(self) -> str:
        """The other dataset that high views come from; "" if they come from the plan's dataset."""
        return "" if self.high_source == "self" else self.high_source

    @property
    def streams(self) -> tuple[Plan, ...]:
        """One plan for each modality: the plan itself, unless it fuses several modalities."""
        return tuple(dataclasses.replace(self, modality=stream) for stream in streams(self.modality))

    def options(self, kind: str) -> dict[str, Value]:
        """Return the settings of one kind of component, without the prefix."""
        return {key.partition(".")[2]: value for key, value in self.settings.items() if key.startswith(f"{kind}.")}

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers in a fixed order. Fields at an empty default are left out."""
        plain = dataclasses.asdict(self)
        plain["classes"] = list(self.classes)
        for field in _LATER:
            if not plain[field]:
                del plain[field]
        plain["size"] = list(self.size)
        if self.teacher_size:
            plain["teacher_size"] = list(self.teacher_size)
        plain["settings"] = dict(sorted(self.settings.items()))
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """Return the plan of a `to_json` result. ElrError if a field is missing or unknown."""
        known = {field.name for field in dataclasses.fields(cls)}
        if set(plain) | _LATER != known:
            wrong = sorted((set(plain) | _LATER) ^ known)
            raise ElrError(
                f"the plan has missing or unknown fields: {', '.join(wrong)}; it is from another version of elrbench"
            )
        height, width = plain["size"]
        read = {
            "size": (int(height), int(width)),
            "settings": dict(plain["settings"]),
            "classes": tuple(plain.get("classes", ())),
            "teacher_size": tuple(map(int, plain.get("teacher_size", ()))),
        }
        return cls(**{**plain, **read})

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the sha256 of the canonical JSON."""
        return digest_of(self.to_json())


def read_size(flag: str, text: str, *, smallest: int = 1, example: str = "96x128") -> tuple[int, int]:
    """Parse "HxW" to (rows, columns). ElrError, with `example`, if it is another form or a side is below `smallest`."""
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if not found or min(int(found[1]), int(found[2])) < smallest:
        bounds = "in pixels" if smallest == 1 else f"with sides of {smallest} to 9999"
        raise ElrError(f"{flag} {text} is not HxW {bounds}, e.g. {example}")
    return int(found[1]), int(found[2])


_LATER = {field.name for field in dataclasses.fields(Plan) if field.default is not dataclasses.MISSING}
