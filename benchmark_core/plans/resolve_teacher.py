"""Resolve the plan fields of a teacher that differs from the student: backbone, weights, size, frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.lookup import find
from benchmark_core.plans.plan import read_size
from benchmark_core.specs import BackboneSpec

TEACHER = ("teacher_backbone", "teacher_weights", "teacher_size", "teacher_frames")  # fields of plans and requests
FRAMES = 4  # of a 2D teacher, if the view has intervals of several frames


@dataclass(frozen=True, kw_only=True)
class Student:
    """What the student's fields are resolved to. name: of the backbone in plans. sampling: of the views of both."""

    name: str
    spec: BackboneSpec
    weights: str
    size: tuple[int, int]
    sampling: Sampling


def teacher_fields(
    catalog: Catalog,
    student: Student,
    asked: Mapping[str, str | None],
    usual: Callable[[str], str],
    *,
    trains: bool,
    same: bool = False,
) -> tuple[dict[str, Any], BackboneSpec | None]:
    """Return the teacher's fields that differ from the student's, and the spec of a teacher's backbone that differs.

    The teacher equals the student, and nothing is returned, unless `asked` or the budget names a teacher, or the
    student's backbone is native. The teacher of a native student is the network that method and budget name.

    asked: flags, None if not given. usual: field -> what the method or the budget names, "" if nothing.
    trains: whether the method uses a teacher. Without one, defaults are left out and flags are kept, to be refused.
    same: the network for high views is the student's, of which only the size has a default of its own.
    Raises ElrError if a name is unknown or a number is out of range.
    """
    native = student.spec.native and trains

    def pick(field: str, network: str) -> str:
        """Return the flag, what the budget names for teachers, or what it names for the `network` field."""
        if (given := asked[field]) is not None:
            return str(given)
        if same and field != "teacher_size":
            return ""
        return (usual(field) if trains else "") or (usual(network) if native else "")

    backbone = pick("teacher_backbone", "backbone") or student.name
    spec, name = find(catalog.backbones, backbone)
    if name.variants:
        raise ElrError(f"--teacher-backbone {backbone}: variants cannot be set; use --teacher-backbone {name.base}")
    same = backbone == student.name
    own = asked["teacher_backbone"] is None  # otherwise the budget's weights are those of another network
    weights = asked["teacher_weights"] or (pick("teacher_weights", "weights") if own else "")
    weights = weights or (student.weights if same else spec.default_weights)
    if weights not in ("scratch", *spec.weights):
        raise unknown(f"weights of the teacher's backbone '{spec.name}'", weights, ("scratch", *spec.weights))
    text = pick("teacher_size", "size")
    size = read_size("--teacher-size", text, smallest=8) if text else student.size
    frames = _frames(spec, student.sampling, pick("teacher_frames", ""), unlike=not same)
    fields = {"teacher_backbone": backbone, "teacher_weights": weights, "teacher_size": size, "teacher_frames": frames}
    alike = {
        "teacher_backbone": student.name,
        "teacher_weights": student.weights,
        "teacher_size": student.size,
        "teacher_frames": 0,
    }
    if fields == alike and not native:
        return {}, None
    # All fields of a native student's teacher are named, because an empty field would stand for the budget's value.
    kept = {key: value for key, value in fields.items() if native or value != alike[key]}
    return kept, None if same else spec


def _frames(spec: BackboneSpec, sampling: Sampling, text: str, *, unlike: bool) -> int:
    """Return the number of single frames that a 2D teacher sees; 0 if it sees the view as the student does."""
    most = sampling.k * sampling.t
    if not text or text == "0":
        return min(FRAMES, most) if unlike and spec.dims == 2 and sampling.t > 1 else 0
    if spec.dims != 2:
        raise ElrError(
            f"--teacher-frames {text}: backbone '{spec.name}' is 3D and sees all frames of a view; remove "
            "--teacher-frames or use a 2D --teacher-backbone"
        )
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise ElrError(f"--teacher-frames {text} is not a whole number from 1 to {most}, the frames of {sampling}")
    return 0 if (sampling.k, sampling.t) == (int(text), 1) else int(text)
