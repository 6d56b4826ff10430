"""The picture of a track's accuracy over cost."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pytest

from elrbench_plugins.commands.site.front_picture import front_picture
from elrbench_plugins.commands.site.pages import build_site

SVG = "{http://www.w3.org/2000/svg}"


def point(number: int, macs: float, score: float, part: str = "ranked") -> dict[str, object]:
    name = f"method-{number} <b>, net, small"
    return {
        "number": number,
        "name": name,
        "part": part,
        "macs": macs,
        "score": score,
        "low": score - 5,
        "high": score + 5,
    }


def drawn(*points: dict[str, object], front: list[int]) -> ElementTree.Element:
    block = {"kind": "front", "label": "", "score": "top1", "points": list(points), "front": front}
    return ElementTree.fromstring(front_picture(block, "a track"))


def test_a_picture_has_a_point_and_a_name_for_each_row() -> None:
    picture = drawn(point(1, 0.1, 40.0), point(2, 1.0, 50.0), point(3, 1.0, 60.0, "oracle"), front=[1, 2])
    circles = picture.findall(f"{SVG}circle")
    heights = [float(circle.get("cy", "")) for circle in circles]
    assert len(circles) == 3 and heights == sorted(heights)  # the highest score comes first and is drawn highest
    assert circles[0].get("cx") == circles[1].get("cx") != circles[2].get("cx")
    texts = [text.text or "" for text in picture.findall(f"{SVG}text")]
    assert "1  40.0  method-1 <b>, net" in texts and texts[0] == "a track"


def test_a_picture_of_one_row_has_ticks() -> None:
    picture = drawn(point(1, 0.22, 40.0), front=[1])
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert "0.2" in texts and "40" in texts


def test_a_long_name_ends_with_an_ellipsis_within_the_margin() -> None:
    long = point(1, 0.22, 40.0) | {
        "name": "kd (teacher: efficientnet-lite0 96x128 imagenet 4 frames), native3d-s, small"
    }
    (name,) = [text.text or "" for text in drawn(long, front=[1]).findall(f"{SVG}text") if "kd" in (text.text or "")]
    assert name == "1  40.0  kd (teacher: efficientnet-lite0 96x128 imagenet 4…" and len(name) <= 60


def test_numbers_of_close_points_do_not_cover_each_other() -> None:
    picture = drawn(*(point(10 + rank, 0.22, 45.0 - rank / 3) for rank in range(6)), point(30, 5.0, 20.0), front=[10])
    numbers = [
        text for text in picture.findall(f"{SVG}text") if (text.text or "").isdigit() and text.get("font-weight")
    ]
    places = [(float(text.get("x", "")), float(text.get("y", ""))) for text in numbers]
    assert len(places) == 7
    for place, (x, y) in enumerate(places):
        assert all(abs(x - left) >= 14 or abs(y - base) >= 10 for left, base in places[:place])
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in picture.findall(f"{SVG}circle")]
    assert all(abs(x - left) <= 60 and abs(y - base) <= 15 for (x, y), (left, base) in zip(dots, places, strict=True))


@pytest.mark.parametrize("track", ["tracks/jhmdb/hmdb51-split1/average-12x16"])
def test_the_site_holds_a_picture_of_each_track_with_costs(track: str) -> None:
    site = build_site(Path(__file__).parents[1] / "leaderboards")
    assert site.files[PurePosixPath(f"{track}.svg")].startswith(b"<svg")
