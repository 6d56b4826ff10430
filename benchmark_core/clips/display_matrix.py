"""Turn and mirror frames as their display matrix says: a phone stores an upright video as frames that lie on a side."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from benchmark_core.clips.frames import Plane

Turn: TypeAlias = tuple[bool, bool, bool]  # swap rows and columns, then reverse the rows, then reverse the columns

AS_STORED = (False, False, False)
_QUARTERS = (AS_STORED, (True, True, False), (False, True, True), (True, False, True))  # anticlockwise


def turn_of(frame: VideoFrame) -> Turn:
    """Return how a frame must be turned to be seen as intended, rounded to quarter turns."""
    try:
        matrix = cast("Mapping[Any, Any]", frame.side_data).get(Type.DISPLAYMATRIX)
    except ValueError:  # PyAV 18 does not know all kinds of side data, such as the Exif data of a picture
        return _QUARTERS[round(frame.rotation / 90) % 4]  # a mirrored picture is not recognised
    if matrix is None:
        return AS_STORED
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))  # a point (x, y) is shown at (a x + c y, b x + d y)
    swap = abs(b) > abs(a)
    down, right = (b, c) if swap else (d, a)
    return swap, down < 0, right < 0


def turned(planes: tuple[Plane, ...], turn: Turn) -> tuple[Plane, ...]:
    """Return views of planes (rows, columns), turned."""
    swap, up, left = turn
    return tuple([(plane.T if swap else plane)[:: -1 if up else 1, :: -1 if left else 1] for plane in planes])
