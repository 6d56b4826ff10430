"""`elrbench contact-sheet NAME --out FILE.png`: which clips are drawn, their pixels, and the file."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy
from contact_sheets import Call, call
from test_folder import touch
from videos import labelled

from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench import Catalog, DatasetSpec, EnhancerSpec, Protocol, hookimpl
from elrbench_plugins.commands.contact_sheet.drawing import Layout
from elrbench_plugins.commands.contact_sheet.sheet import pick

__all__ = ["call"]  # fixtures

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
ROOT = Path(__file__).parents[1]
TOY = ("--plugin", str(Path(__file__).with_name("toy.py")))
Pixels = Any  # int (rows, columns, 3)


def drawn(call: Call, path: Path, *argv: object) -> tuple[Pixels, dict[str, Any]]:
    """The pixels, and what --json tells."""
    code, out, err = call(*argv, "--out", path, "--json")
    assert code == 0, err
    return pixels(path), json.loads(out)


def pixels(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def cut(sheet: Pixels, corner: tuple[int, int], size: tuple[int, int]) -> Pixels:
    return sheet[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]


def blocks_of(picture: Pixels, scale: int) -> Pixels:
    """(h, w, 3) of a picture of which every `scale` x `scale` block has one colour; fails where one has not."""
    small = picture[::scale, ::scale]
    assert (small.repeat(scale, 0).repeat(scale, 1) == picture).all()
    return small


# -- pixels


def frame_of(number: int, label: int, frame: int) -> Pixels:
    """float (48, 64, 3) of the toy's clip."""
    (frames,) = toy.render(json.dumps({"clip": number, "label": label}))
    return np.stack([plane[frame] for plane in frames.planes], -1).astype(float)


def average(picture: Pixels, scale: int) -> Pixels:
    rows, columns, _ = picture.shape
    return picture.reshape(rows // scale, scale, columns // scale, scale, 3).mean((1, 3))


@pytest.mark.parametrize("degradation", ["average-6x8:clean", "average-6x8"])
def test_a_sheet_holds_high_low_and_enhanced_views(call: Call, tmp_path: Path, degradation: str) -> None:
    """Frames of 48x64, at 24x32 averaged by 2, at 6x8 by 8: in the clean one to a grey level, blur and noise apart."""
    flags = ("--degradation", degradation, "--size", "24x32", "--columns", "1", "--enhancer", "nearest")
    sheet, told = drawn(call, tmp_path / "a.png", "toy", *TOY, *flags)
    gutter = sheet.shape[1] - (8 + 4 * 34 - 2 + 8)
    layout = Layout(blocks=3, columns=1, clips=1, lines=3, frames=4, cell=(24, 32), gutter=gutter)
    assert sheet.shape[:2] == layout.size == tuple(told["picture"])
    assert told["cell"] == [24, 32] and told["low"] == [6, 8] and told["lines"] == ["high", "low", "nearest"]
    assert [one["name"] for one in told["classes"]] == ["left", "right", "moves"]
    assert [one["clips"] for one in told["classes"]] == [
        [{"id": f"clip00{number}", "frames": [0, 2, 4, 6]}] for number in range(3)
    ]
    for label in range(3):
        for place, number in enumerate((0, 2, 4, 6)):  # of the middle of 4 intervals of 2 frames, the earlier
            high, low, enhanced = (cut(sheet, layout.place(label, 0, line, place), layout.cell) for line in range(3))
            frame = frame_of(label, label, number)
            assert np.abs(high - average(frame, 2)).max() <= 1
            off = np.abs(blocks_of(low, 4) - average(frame, 8)).max()
            assert off <= 1 if degradation.endswith("clean") else 1 < off < 80
            assert (enhanced == low).all()


def test_the_enhancer_that_most_methods_take_is_shown(call: Call, tmp_path: Path) -> None:
    flags = ("--degradation", "average-6x8:clean", "--size", "24x32", "--columns", "1")
    sheet, told = drawn(call, tmp_path / "a.png", "toy", *TOY, *flags)
    assert told["enhancer"] == "bilinear" and told["degradation"] == "average-6x8"
    gutter = sheet.shape[1] - (8 + 4 * 34 - 2 + 8)
    layout = Layout(blocks=3, columns=1, clips=1, lines=3, frames=4, cell=(24, 32), gutter=gutter)
    low, seen = (cut(sheet, layout.place(0, 0, line, 0), layout.cell) for line in (1, 2))
    small = blocks_of(low, 4)
    # Column 3 of 32 has its centre at 3.5 / 4 = 0.875 low pixels, 0.375 right of that of low column 0.
    across = small[0, 0] * (1 - 0.375) + small[0, 1] * 0.375
    assert np.abs(seen[0, 3] - across).max() <= 1
    assert (seen[0, 0] == small[0, 0]).all()  # the border repeats


def test_low_views_that_are_made_on_the_device(call: Call, tmp_path: Path) -> None:
    """Where the box is cut before degrading, the high view is the crop itself."""
    flags = ("--degradation", "bicubic-6x8", "--size", "24x32", "--columns", "1", "--enhancer", "nearest")
    sheet, told = drawn(call, tmp_path / "a.png", "toy", *TOY, *flags)
    gutter = sheet.shape[1] - (8 + 4 * 34 - 2 + 8)
    layout = Layout(blocks=3, columns=1, clips=1, lines=3, frames=4, cell=(24, 32), gutter=gutter)
    high, low = (cut(sheet, layout.place(1, 0, line, 0), layout.cell) for line in (0, 1))
    small = blocks_of(low, 4)
    assert np.abs(small - average(high.astype(float), 4)).mean() < 6  # smooth enough for the two kernels to agree
    assert np.abs(small - average(high.astype(float), 4)[:, ::-1]).mean() > 12


def test_clips_as_recorded_keep_their_own_pixels(call: Call, tmp_path: Path, catalog: Catalog) -> None:
    sheet, told = drawn(call, tmp_path / "a.png", "tiny-puppets", "--frames", 2, "--columns", 4)
    assert told["lines"] == ["recorded"] and told["enhancer"] is None and told["low"] is None
    layout = Layout(blocks=12, columns=4, clips=1, lines=1, frames=2, cell=tuple(told["cell"]), gutter=0)
    assert sheet.shape[:2] == layout.size
    spec = catalog.datasets["tiny-puppets"]
    options = {key: option.default for key, option in spec.options.items()}
    index = spec.read_index(None, "subjects", options)
    scales = set()
    for number, one in enumerate(told["classes"]):
        (clip,) = one["clips"]
        source, rows, columns = index.by_id[clip["id"]].source, *clip["recorded"]
        targets = {one.target for one in index.split("1", "train") if number in one.target}
        assert index.by_id[clip["id"]].target in ({(number,)} & targets or targets)  # alone where any is
        scale = max(1, min(96 // rows, 128 // columns))
        scales.add(scale)
        (frames,) = importlib.import_module("elrbench_plugins.puppets.tiny").render(source.key)
        for place, frame in enumerate(clip["frames"]):
            shown = cut(sheet, layout.place(number, 0, 0, place), (rows * scale, columns * scale))
            assert (blocks_of(shown, scale) == np.stack([plane[frame] for plane in frames.planes], -1)).all()
    assert len(scales) > 1


def test_recorded_clips_are_degraded_where_that_is_asked_for(call: Call, tmp_path: Path) -> None:
    flags = ("--degradation", "average-12x16", "--frames", 1)
    _, told = drawn(call, tmp_path / "a.png", "tiny-puppets", *flags)
    assert told["lines"] == ["high", "low", "bilinear"] and told["cell"] == [96, 128] and told["low"] == [12, 16]


def test_an_enhancer_of_several_frames_shows_the_middle_one(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that mirrors time: of 3 frames its middle one stays, at nearest."""

    class Mirror(torch.nn.Module):
        def forward(self, low: Any) -> Any:
            assert tuple(low.shape) == (4, 3, 3, 6, 8)
            return low.flip(2).repeat_interleave(4, 3).repeat_interleave(4, 4)

    with_mirror = plugin(monkeypatch, elr_enhancers=[EnhancerSpec(
        name="mirror", summary="time", factory=lambda low, size, options: Mirror(), frames=3)])  # fmt: skip
    flags = ("--degradation", "average-6x8:clean", "--size", "24x32", "--columns", "1", "--enhancer", "mirror")
    sheet, _ = drawn(call, tmp_path / "a.png", "toy", *TOY, *with_mirror, *flags)
    gutter = sheet.shape[1] - (8 + 4 * 34 - 2 + 8)
    layout = Layout(blocks=3, columns=1, clips=1, lines=3, frames=4, cell=(24, 32), gutter=gutter)
    for place in range(4):
        low, seen = (cut(sheet, layout.place(2, 0, line, place), layout.cell) for line in (1, 2))
        assert (low == seen).all()


def plugin(monkeypatch: pytest.MonkeyPatch, **hooks: list[Any]) -> tuple[str, str]:
    """`--plugin` of a module that offers specs by hook."""
    module = type(sys)("sheet_test_plugin")
    for name, specs in hooks.items():
        setattr(module, name, hookimpl(specname=name)(lambda specs=tuple(specs): list(specs)))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return "--plugin", module.__name__


# -- which clips


def clip(number: int, *target: int) -> Clip:
    return Clip(id=str(number), source=Drawn("a:b", str(number)), target=target)


def test_clips_are_picked_at_even_distances_and_alone_where_they_can_be() -> None:
    listed = [clip(0, 0, 1), *(clip(number, 0) for number in range(1, 8)), clip(8, 1, 2), clip(9)]
    assert [one.id for one in pick(listed, 0, 1)] == ["1"]
    assert [one.id for one in pick(listed, 0, 3)] == ["1", "3", "5"]  # of seven: 0, 7/3, 14/3
    assert [one.id for one in pick(listed, 1, 3)] == ["0", "8"]  # none has that label alone
    assert pick(listed, 3, 1) == ()


def test_more_clips_of_each_class(call: Call, tmp_path: Path) -> None:
    flags = ("--degradation", "average-6x8", "--size", "24x32", "--frames", 2)
    sheet, told = drawn(call, tmp_path / "a.png", "toy", *TOY, *flags, "--clips", 2)
    assert [[one["id"] for one in shown["clips"]] for shown in told["classes"]] == [
        ["clip000", "clip012"], ["clip001", "clip013"], ["clip002", "clip014"],
    ]  # fmt: skip
    code, out, _ = call("toy", *TOY, *flags, "--clips", 2, "--out", tmp_path / "b.png")
    rows, columns = sheet.shape[:2]
    shown = f"clips: 6, classes: 3, high and low views by average-6x8; {columns} pixels wide, {rows} high"
    assert (code, out) == (0, f"{tmp_path / 'b.png'}: {shown}\n")


def test_a_broken_clip_is_named_and_another_stands_in(call: Call, tmp_path: Path) -> None:
    root = labelled(tmp_path / "Mine")
    first = sorted((root / "train" / "dark!").iterdir())[0]
    first.write_bytes(b"no video")
    code, out, _ = call(f"folder:{root}", "--out", tmp_path / "a.png", "--json")
    told = json.loads(out)
    assert code == 0 and [one["clip"] for one in told["broken"]] == [f"train/dark!/{first.name}"]
    assert [len(one["clips"]) for one in told["classes"]] == [1, 1] and not told["without_clips"]
    for path in (root / "train" / "dark!").iterdir():
        path.write_bytes(b"no video either")
    code, out, _ = call(f"folder:{root}", "--out", tmp_path / "a.png")
    assert code == 0 and "classes: 1, " in out and out.count("left out: train/dark!/") == 2
    assert out.splitlines()[-1] == "no training clip of dark!"
    touch(root, *(str(path.relative_to(root)) for path in (root / "train").glob("*/*")))
    for path in (root / "train").glob("*/*"):
        path.write_bytes(b"none")
    code, _, err = call(f"folder:{root}", "--out", tmp_path / "b.png")
    assert code == 2 and "none of the 4 training clips can be decoded (first: train/" in err.splitlines()[-1]
    assert not (tmp_path / "b.png").exists()


def test_a_dataset_without_training_clips_is_one_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def index(root: object, protocol: str, options: object) -> Index:
        tested = Clip(id="only", source=Drawn(toy.render, json.dumps({"clip": 0, "label": 0})), target=0)
        return Index(clips=(tested,), folds={"1": Fold(train=(), test=("only",))})

    spec = DatasetSpec(
        name="untrained", summary="s", classes=("a", "b"), index=index,
        protocols={"one": Protocol(summary="one fold", folds=("1",))},
    )  # fmt: skip
    bringing = plugin(monkeypatch, elr_datasets=[spec])
    code, _, err = call("untrained", "--out", tmp_path / "a.png", *bringing)
    assert (code, err) == (
        2,
        "elrbench: error: dataset 'untrained' has no training clip in protocol one; raise its options\n",
    )


# -- the file


def test_equal_requests_give_equal_bytes(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("toy", *TOY, "--degradation", "average-6x8", "--size", "24x32")
    for name, more in (
        ("a", ()),
        ("b", ()),
        ("c", ("--colours", 64)),
        ("d", ("--colours", 64)),
        ("e", ("--frames", 3)),
    ):
        monkeypatch.setenv("ELRBENCH_CACHE", str(tmp_path / f"cache-{name}"))
        code, out, _ = call(*flags, *more, "--out", tmp_path / f"{name}.png", "--json")
        assert code == 0 and json.loads(out)["bytes"] == (tmp_path / f"{name}.png").stat().st_size
    a, b, c, d, e = ((tmp_path / f"{name}.png").read_bytes() for name in "abcde")
    assert a == b and c == d and len({a, c, e}) == 3


def test_a_palette_is_near_and_small(call: Call, tmp_path: Path) -> None:
    flags = ("puppets", "--size", "24x32", "--frames", 1)
    whole, _ = drawn(call, tmp_path / "a.png", *flags)
    few, _ = drawn(call, tmp_path / "b.png", *flags, "--colours", 128)
    assert len(np.unique(few.reshape(-1, 3), axis=0)) <= 128 < len(np.unique(whole.reshape(-1, 3), axis=0))
    assert np.abs(whole - few).max() < 40
    assert (tmp_path / "b.png").stat().st_size < 0.5 * (tmp_path / "a.png").stat().st_size


def test_the_readmes_picture_is_what_its_command_draws(call: Call, tmp_path: Path) -> None:
    """Within a palette's distance: another processor may round otherwise."""
    (line,) = re.findall(r"^elrbench contact-sheet (puppets --out docs/.*)$", (ROOT / "README.md").read_text(), re.M)
    words = shlex.split(line.split("#")[0])
    path = ROOT / words[words.index("--out") + 1]
    assert f"]({path.relative_to(ROOT).as_posix()})" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert path.stat().st_size < 150_000
    words[words.index("--out") + 1] = str(tmp_path / "again.png")
    again, _ = drawn(call, tmp_path / "again.png", *(words[: words.index("--out")]), *words[words.index("--out") + 2 :])
    shown = pixels(path)
    assert shown.shape == again.shape and shown.shape[1] <= 840  # a README's width
    assert np.abs(shown - again).mean() < 1
