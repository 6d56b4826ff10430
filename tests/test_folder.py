"""Anyone's clips: a folder a class, lists, folders of pictures, and a tree of videos as a pool."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from videos import labelled, write_video

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import FrameFolder, Index, VideoFile
from elrbench_plugins.commands.check.check import Finding, check_plugin
from elrbench_plugins.folder.files import by_number
from elrbench_plugins.folder.pool import walk


def touch(root: Path, *names: str) -> Path:
    """Files that no test opens; each holds its own name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def read(catalog: Catalog, root: Path) -> Index:
    placed, name = catalog.with_folder(f"folder:{root}")
    return placed.datasets[name].read_index(root, "split", {})


# -- labelled


def test_folders_say_who_trains(catalog: Catalog, tmp_path: Path) -> None:
    root = touch(
        tmp_path / "My Clips",
        "train/walk/a (1)!.avi", "train/walk/b+&.MP4", "train/run/a.webm", "test/run/a.webm", "train/run/notes.txt",
        "train/walk/.hidden.avi", "train/run/.DS_Store",
    )  # fmt: skip
    placed, name = catalog.with_folder(f"folder:{root}")
    spec = placed.datasets[name]
    assert (name, spec.name, spec.classes, spec.at) == ("folder:my-clips", "folder:my-clips", ("run", "walk"), None)
    index = spec.read_index(root, "split", {})
    assert index.folds["1"].train == ("train/run/a.webm", "train/walk/a (1)!.avi", "train/walk/b+&.MP4")
    assert index.folds["1"].test == ("test/run/a.webm",)
    assert index.by_id["train/walk/b+&.MP4"].source == VideoFile(root / "train" / "walk" / "b+&.MP4")
    assert {clip.id: clip.target for clip in index.clips}["train/walk/a (1)!.avi"] == 1
    assert index.unlisted == 1 and index.missing == ()


LISTS = {
    "one list": {"split.txt": "walk/a.avi train\n\nwalk/b c.avi test\nrun/gone.avi test\nrun/a.avi train\n"},
    "two lists": {"train.txt": "\ufeffwalk/a.avi\r\nrun/a.avi\r\n", "test.txt": "walk/b c.avi\nrun/gone.avi\n"},
}


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_lists_say_who_trains(catalog: Catalog, tmp_path: Path, lists: dict[str, str]) -> None:
    root = touch(tmp_path, "walk/a.avi", "walk/b c.avi", "run/a.avi", "run/spare.avi", "scripts/x.py")
    for name, text in lists.items():
        (root / name).write_text(text, encoding="utf-8")
    index = read(catalog, root)
    assert (set(index.folds["1"].train), index.folds["1"].test) == ({"walk/a.avi", "run/a.avi"}, ("walk/b c.avi",))
    assert (index.missing, index.missing_targets, index.unlisted) == (("run/gone.avi",), {"run/gone.avi": 0}, 1)
    placed, name = catalog.with_folder(f"folder:{root}")
    assert placed.datasets[name].classes == ("run", "walk")  # scripts/ is in no list


def test_a_folder_of_pictures_is_a_clip(catalog: Catalog, tmp_path: Path) -> None:
    names = [f"frame{number}.PNG" for number in (10, 9, 2)]
    root = touch(tmp_path, *(f"train/walk/one/{name}" for name in names), "train/walk/one/truth.txt", "test/walk/b.avi")
    (root / "train" / "walk" / "empty").mkdir()
    index = read(catalog, root)
    one = index.by_id["train/walk/one"].source
    assert one == FrameFolder(root / "train" / "walk" / "one", ("frame2.PNG", "frame9.PNG", "frame10.PNG"))
    assert index.unlisted == 1


def test_numbers_sort_as_numbers() -> None:
    names = ["1.png", "2.png", "10.png", "a1b2.png", "a1b10.png", "a2b1.png", "b.png"]
    assert sorted(reversed(names), key=by_number) == names
    assert sorted(["f02.png", "f2.png", "f1.png"], key=by_number)[0] == "f1.png"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"walk/a.avi": ""}, "no folder or list defines the train/test split; expected layout: train/CLASS/*"),
        ({"split.txt": "", "train.txt": ""}, "split.txt and train.txt both define"),
        ({"train/walk/a.avi": "", "test.txt": ""}, "both train/ and test.txt define the split; remove one"),
        ({"test/walk/a.avi": ""}, "test/ exists but train/ does not"),
        ({"train/a.avi": "", "test/a.avi": ""}, "no class in it; expected layout: train/CLASS/*"),
        ({"split.txt": "walk/a.avi 1\n"}, "split.txt line 1 does not end in ' train' or ' test': 'walk/a.avi 1'"),
        ({"split.txt": "\na.avi train\n"}, "split.txt line 2 is not CLASS/CLIP: 'a.avi'"),
        ({"split.txt": "../a.avi train\n"}, "split.txt line 1 is not CLASS/CLIP: '../a.avi'"),
        ({"split.txt": "/etc/passwd train\n"}, "split.txt line 1 is not CLASS/CLIP: '/etc/passwd'"),
        ({"split.txt": "walk/../../a.avi train\n"}, "split.txt line 1 is not CLASS/CLIP"),
        ({"split.txt": "walk\\..\\a/b train\n"}, "split.txt line 1 is not CLASS/CLIP"),
        ({"train.txt": "walk/..\n"}, "train.txt line 1 is not CLASS/CLIP: 'walk/..'"),
        ({"train.txt": "walk/a.avi\n"}, "test.txt cannot be read: No such file"),
        ({"split.txt": "walk/a.avi train\nwalk/a.avi test\n", "walk/a.avi": ""}, "'walk/a.avi' is listed twice"),
    ],
)
def test_another_layout_is_told_in_one_line(
    catalog: Catalog, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(ElrError) as caught:
        read(catalog, tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_of_any_bytes_become_ids_on_one_line(catalog: Catalog, tmp_path: Path) -> None:
    root = touch(tmp_path, "train/walk/new\nline.avi", "train/walk/ümlaut.avi", "test/walk/a.avi")
    try:
        (root / "train" / "walk" / os.fsdecode(b"latin\xe9.avi")).write_text("")
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")
    index = read(catalog, root)
    assert set(index.folds["1"].train) == {
        "train/walk/latin\\xe9.avi", "train/walk/new\\x0aline.avi", "train/walk/ümlaut.avi",
    }  # fmt: skip
    assert index.digest()


def test_the_digest_tells_files_of_the_same_names_apart(catalog: Catalog, tmp_path: Path) -> None:
    names = ("train/walk/a.avi", "test/walk/b.avi")
    one, same, other = (touch(tmp_path / folder, *names) for folder in ("one/x", "same/x", "other/x"))
    (other / names[0]).write_text("train/walk/A.avi")  # as long as before
    digests = [read(catalog, root).digest() for root in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_link_to_a_folder_above_ends(catalog: Catalog, tmp_path: Path) -> None:
    root = touch(tmp_path, "train/walk/a.avi", "test/walk/b.avi")
    (root / "train" / "walk" / "up").symlink_to(root, target_is_directory=True)
    (root / "train" / "walk" / "self.avi").symlink_to("self.avi")
    (root / "train" / "walk" / "gone.avi").symlink_to("nowhere.avi")
    os.mkfifo(root / "train" / "walk" / "pipe.avi")
    index = read(catalog, root)
    assert set(index.by_id) == {"train/walk/a.avi", "test/walk/b.avi"} and index.unlisted == 4


# -- the name


def test_plans_hold_a_name_and_no_path(catalog: Catalog, tmp_path: Path) -> None:
    root = touch(tmp_path / "Ünsere CLIPS (2)", "train/walk/a.avi", "train/run/a.avi", "test/walk/b.avi")
    placed, name = catalog.with_folder(f"folder:{root}")
    plan = resolve_plan(placed, PlanRequest(method="supervised", dataset=name, budget="smoke"))
    assert plan.dataset == "folder:nsere-clips-2" and str(tmp_path) not in str(plan.to_json())
    assert components_of(placed, plan).dataset.classes == ("run", "walk")
    assert placed.folders == {name: root} and placed.owner(placed.datasets[name]) == catalog.owner(
        catalog.datasets["folder"]
    )
    assert name not in catalog.datasets


def test_a_name_beside_the_folder(catalog: Catalog, tmp_path: Path) -> None:
    """How a plan's dataset is found again, wherever its clips lie now."""
    root = touch(tmp_path / "elsewhere", "train/walk/a.avi", "test/walk/b.avi")
    placed, name = catalog.with_folder("folder:my-clips", root)
    assert (name, placed.datasets[name].name, placed.folders[name]) == ("folder:my-clips", "folder:my-clips", root)
    assert catalog.with_folder("folder", root)[1] == "folder:elsewhere"
    assert placed.with_folder("folder:my-clips") == (placed, "folder:my-clips")
    assert catalog.with_folder("jhmdb", root) == (catalog, "jhmdb")
    assert catalog.with_folder("no-such:thing") == (catalog, "no-such:thing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder", "'folder' needs a folder of clips: write folder:/data/clips"),
        ("folder:", "'folder' needs a folder of clips: write folder:/data/clips"),
        ("folder:/nowhere/at/all", "/nowhere/at/all does not exist; expected layout: train/CLASS/*"),
    ],
)
def test_a_template_needs_its_folder(catalog: Catalog, text: str, message: str) -> None:
    with pytest.raises(ElrError) as caught:
        catalog.with_folder(text)
    assert message in str(caught.value)
    with pytest.raises(ElrError, match="is a folder that is not in the catalog"):
        resolve_plan(catalog, PlanRequest(method="supervised", dataset=text.rstrip(":")))


def test_two_folders_are_one_too_many(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="names a folder, and --data"):
        catalog.with_folder(f"folder:{tmp_path}", tmp_path)


def test_a_folder_whose_name_has_no_letter(catalog: Catalog, tmp_path: Path) -> None:
    touch(tmp_path / "++", "train/walk/a.avi", "test/walk/b.avi")
    with pytest.raises(ElrError, match=r"'\+\+' has no letter or digit"):
        catalog.with_folder(f"folder:{tmp_path / '++'}")


# -- a pool


def test_a_tree_of_videos_is_a_pool(catalog: Catalog, tmp_path: Path) -> None:
    root = touch(tmp_path / "kinetics", "b/c/deep.mp4", "b/one.avi", "a.mkv", "b/readme.txt", ".git/x.avi")
    placed, name = catalog.with_folder(f"videos:{root}")
    spec = placed.datasets[name]
    assert (name, spec.classes, spec.unlabelled) == ("videos:kinetics", (), True)
    index = spec.read_index(root, "pool", {})
    assert index.unlabelled == ("a.mkv", "b/one.avi", "b/c/deep.mp4") and not index.folds
    assert {clip.target for clip in index.clips} == {None} and index.unlisted == 1
    with pytest.raises(ElrError, match="has no labels.*a labelled --dataset, and --unlabelled videos:kinetics"):
        resolve_plan(placed, PlanRequest(method="supervised", dataset=name, budget="smoke"))


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = touch(tmp_path / "tree", "a/x.avi", "z/y.avi")
    outside = touch(tmp_path / "outside", "o.avi", "deep/p.avi")
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "b").symlink_to(root / "z", target_is_directory=True)
    (root / "out").symlink_to(outside, target_is_directory=True)
    (root / "z" / "out-again").symlink_to(outside, target_is_directory=True)
    (outside / "back").symlink_to(root / "a", target_is_directory=True)
    (root / "self").symlink_to("self")
    found = [str(path.relative_to(root)) for path in walk(root)]
    assert found == ["self", "a/x.avi", "z/y.avi", "out/o.avi", "out/deep/p.avi"]


def test_a_tree_without_videos(catalog: Catalog, tmp_path: Path) -> None:
    placed, name = catalog.with_folder(f"videos:{touch(tmp_path, 'a.txt')}")
    with pytest.raises(ElrError, match="no video in it"):
        placed.datasets[name].read_index(tmp_path, "pool", {})


# -- end to end


def pictured(root: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for level, name in ((0, "dark!"), (150, "bright & big")):
        for number, part in enumerate(("train", "train", "test", "test")):
            folder = root / name / f"one {number}"
            folder.mkdir(parents=True)
            for frame in range(6):
                picture = rng.integers(level, level + 60, (24, 32, 3), np.uint8)
                write_video(folder / f"{frame}.png", [picture], "rgb24", "png")
            lines.append(f"{name}/one {number} {part}")
    (root / "split.txt").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("made", [labelled, pictured], ids=["videos", "pictures"])
def test_a_run_on_ones_own_clips(toy_catalog: Catalog, made: Callable[[Path], Path], tmp_path: Path) -> None:
    root = made(tmp_path / "Mine")
    catalog, name = toy_catalog.with_folder(f"folder:{root}")
    settings = ("method.batch=4", "method.epochs=1")
    request = PlanRequest(
        method="supervised", dataset=name, backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    plan = resolve_plan(catalog, request)
    out, cache = tmp_path / "out", tmp_path / "cache"
    record = run(plan, catalog, RunContext(data=root, out=out, cache=cache, reporter=Silent())).record
    assert (record["clips"]["train"], record["clips"]["test"]) == (4, 4)
    assert record["track"]["dataset"] == "folder:mine" and record["per_class"]["classes"] == ["bright & big", "dark!"]
    assert record["plugins"]["dataset"]["plugin"] == "elrbench_plugins.folder"
    assert str(tmp_path) not in next(out.glob("supervised-*.json")).read_text()


def test_a_clip_of_pictures_has_their_pixels(catalog: Catalog, tmp_path: Path) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (3, 10, 12, 3), np.uint8)
    folder = tmp_path / "train" / "walk" / "one"
    folder.mkdir(parents=True)
    for number, picture in zip((1, 2, 10), pictures, strict=True):
        write_video(folder / f"{number}.png", [picture], "rgb24", "png")
    touch(tmp_path, "test/walk/a.avi")
    clip = read(catalog, tmp_path).by_id["train/walk/one"]
    (frames,) = decode(clip.source)
    assert np.array_equal(np.stack(frames.planes, -1), pictures)


def test_a_run_on_clips_recorded_at_low_size(catalog: Catalog, tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    for part, name, clip in itertools.product(("train", "test"), ("walk", "run"), (0, 1)):
        folder = tmp_path / "Yard" / part / name / str(clip)
        folder.mkdir(parents=True)
        for number in range(4):
            picture = noise.integers(0, 256, (16, 20 + 2 * clip, 3), np.uint8)  # clips differ in width
            write_video(folder / f"{number}.png", [picture], "rgb24", "png")
    catalog, name = catalog.with_folder(f"low-folder:{tmp_path / 'Yard'}")
    asked = {"method": "supervised", "dataset": name, "budget": "smoke", "backbone": "native3d-xs"}
    with pytest.raises(ElrError, match="clips of 'low-folder:yard' may differ in size; pass the size"):
        resolve_plan(catalog, PlanRequest(**asked))  # type: ignore[arg-type]
    settings = ("method.batch=2", "method.epochs=1")
    plan = resolve_plan(catalog, PlanRequest(**asked, size="16x20", sampling="clip-4", settings=settings))  # type: ignore[arg-type]
    assert plan.degradation == "native"
    context = RunContext(data=tmp_path / "Yard", out=tmp_path / "run", cache=tmp_path / "cache", reporter=Silent())
    assert run(plan, catalog, context).record["scores"]["top1"]["n"] == 4


@pytest.mark.parametrize("backbone", ["native3d-xs", "resnet18"])
def test_larger_clips_are_not_used_as_recorded(catalog: Catalog, tmp_path: Path, backbone: str) -> None:
    catalog, name = catalog.with_folder(f"folder:{labelled(tmp_path / 'Mine')}")
    asked = {"method": "supervised", "dataset": name, "budget": "smoke", "degradation": "native", "enhancer": "none"}
    with pytest.raises(ElrError, match="dataset 'folder:mine' is not natively low; .*--dataset low-folder:PATH"):
        resolve_plan(catalog, PlanRequest(**asked, backbone=backbone))  # type: ignore[arg-type]


def test_the_check_tries_a_template_on_its_folder(catalog: Catalog, tmp_path: Path) -> None:
    root = labelled(tmp_path / "Mine")
    made = list(check_plugin(catalog, "elrbench_plugins.folder", work=tmp_path / "w", data={"folder": root}))
    outcomes = {finding.component: finding.outcome for finding in made}
    assert outcomes == {
        "dataset folder": "ok",
        "dataset low-folder": "skipped",
        "dataset array": "skipped",
        "dataset videos": "skipped",
    }, made
    made = list(check_plugin(catalog, "elrbench_plugins.folder", work=tmp_path / "w", data={"videos": root}))
    assert made[-1] == Finding("dataset videos", "decodes a clip", "ok")
