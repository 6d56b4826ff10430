"""Models in folders and on the hub: names, colours, and one line for what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, Repository, serve
from tiny_models import PROCESSOR, saved

from benchmark_core.backbone_templates import add_backbone
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_backbone
from benchmark_core.plans.lookup import find
from elrbench_plugins.commands.hub import hugging_face
from elrbench_plugins.hf.colours import colours_of
from elrbench_plugins.hf.files import LocalModel

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models") / "My ViT", "vit")


@pytest.fixture
def copy(vit: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vit, tmp_path / "net"))


def refused(catalog: Catalog, text: object) -> str:
    with pytest.raises(ElrError) as caught:
        add_backbone(catalog, f"hf:{text}")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(path: Path, **changes: Any) -> None:
    plain = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not None}), encoding="utf-8")


# -- folders


def test_the_name_is_that_of_the_folder_and_a_digest(catalog: Catalog, vit: Path, copy: Path) -> None:
    found, name = add_backbone(catalog, f"hf:{vit}")
    assert name.startswith("hf:My-ViT@") and found.owner(found.backbones[name]).plugin == "elrbench_plugins.hf"
    assert add_backbone(found, name) == (found, name) and name not in catalog.backbones
    before = LocalModel.open(copy, "x").name
    (copy / "README.md").write_text("not read", encoding="utf-8")
    assert LocalModel.open(copy, "x").name == before
    edit(copy / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])
    assert LocalModel.open(copy, "x").name != before


def test_a_folder_that_changes_before_it_is_loaded(catalog: Catalog, copy: Path) -> None:
    found, name = add_backbone(catalog, f"hf:{copy}")
    edit(copy / "config.json", layer_norm_eps=1e-3)
    with pytest.raises(ElrError, match="have changed since the plan was made"):
        build_backbone(found.backbones[name], 5, weights="pretrained")


def test_what_is_no_model(catalog: Catalog, tmp_path: Path, copy: Path) -> None:
    assert "there is no such folder" in refused(catalog, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in refused(catalog, tmp_path / "empty")
    assert "a folder has no revisions; remove @main" in refused(catalog, f"{copy}@main")
    assert "name of a folder's model in a plan" in refused(catalog, "net@0123456789abcdef")
    (copy / "config.json").write_text("[]", encoding="utf-8")
    assert "config.json is not a JSON configuration (it is not an object)" in refused(catalog, copy)


def test_pickled_weights_are_not_read(catalog: Catalog, copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"anything")
    add_backbone(catalog, f"hf:{copy}")  # next to safetensors, it is left alone
    (copy / "model.safetensors").unlink()
    assert "has pickled weights alone (pytorch_model.bin), which could run code" in refused(catalog, copy)
    (copy / "pytorch_model.bin").unlink()
    assert "has no weights" in refused(catalog, copy)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_code_of_its_own_is_not_run(catalog: Catalog, copy: Path, name: str) -> None:
    edit(copy / name, auto_map={"AutoModel": "modeling_mine.Mine"})
    (copy / "modeling_mine.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    said = refused(catalog, copy)
    assert f"needs code of its own (auto_map in {name}: modeling_mine.Mine), which is never run" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "bert"}, "is of the type 'bert', which is no image network and no video network"),
        ({"model_type": "mine"}, "the model_type 'mine' is not known to transformers"),
        ({"model_type": None}, "the model_type None is not known"),
        ({"hidden_size": "wide"}, "its configuration is not one of 'vit'"),
        ({"quantization_config": {"bits": 4}}, "has quantised weights"),
    ],
)
def test_configurations_that_are_refused(catalog: Catalog, copy: Path, changes: dict[str, Any], says: str) -> None:
    edit(copy / "config.json", **changes)
    assert says in refused(catalog, copy)


def test_kernels_of_a_configuration_are_ignored(catalog: Catalog, copy: Path) -> None:
    """The library would fetch them from the hub, and run them."""
    for key in ("_attn_implementation", "attn_implementation", "_attn_implementation_internal"):
        edit(copy / "config.json", **{key: "someone/kernel"})
    found, name = add_backbone(catalog, f"hf:{copy}")
    built: Any = found.backbones[name].build(5)
    assert built.model.config._attn_implementation == "sdpa" and "someone" not in str(found.backbones[name].options)


def test_weights_that_do_not_fit(catalog: Catalog, copy: Path, tmp_path: Path) -> None:
    def load(folder: Path) -> str:
        found, name = add_backbone(catalog, f"hf:{folder}")
        with pytest.raises(ElrError) as caught:
            build_backbone(found.backbones[name], 5, weights="pretrained")
        return str(caught.value)

    shallow = saved(tmp_path / "shallow", "vit", num_hidden_layers=2)
    edit(shallow / "config.json", num_hidden_layers=3)
    assert "tensors are missing" in load(shallow)
    wide = saved(tmp_path / "wide", "vit", intermediate_size=48)
    edit(wide / "config.json", intermediate_size=32)
    assert "another shape" in load(wide)
    (copy / "model.safetensors").write_bytes(b"\0" * 64)
    assert "cannot be loaded" in load(copy)


def test_the_bare_template_says_what_it_needs(catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="'hf' is a template and needs a model: hf:NAME"):
        find(catalog.backbones, "hf")
    with pytest.raises(ElrError, match="backbone 'hf' needs a model"):
        catalog.backbones["hf"].build(5)


# -- colours


def colours(folder: Path, **changes: Any) -> tuple[Any, Any]:
    edit(folder / "preprocessor_config.json", **changes)
    return colours_of(LocalModel.open(folder, "hf:net"))


def test_colours_by_hand(copy: Path) -> None:
    """x in [0, 1] becomes ((255 f x - o) - m) / s."""
    assert colours(copy) == (tuple(PROCESSOR["image_mean"]), tuple(PROCESSOR["image_std"]))
    mean, std = colours(copy, rescale_factor=1 / 127.5, offset=True, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    for x in (0.0, 0.3, 1.0):  # ViViT: (2x - 1 - 0.5) / 0.5
        assert (x - mean[0]) / std[0] == pytest.approx((2 * x - 1 - 0.5) / 0.5)
    mean, std = colours(copy, do_normalize=False)
    assert [(x - mean[1]) / std[1] for x in (0, 1)] == pytest.approx([-1, 1])
    assert colours(copy, rescale_factor=None, offset=None) == ((0,) * 3, (1,) * 3)
    assert colours(copy, do_normalize=True, include_top=True)[1] == pytest.approx((0.25,) * 3)


def test_the_processor_of_video_comes_first(copy: Path) -> None:
    own = {"video_processor": {**PROCESSOR, "image_mean": 0.25}}
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text(json.dumps(own), encoding="utf-8")
    assert colours_of(LocalModel.open(copy, "hf:net"))[0] == (0.25,) * 3
    (copy / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR), encoding="utf-8")
    assert colours_of(LocalModel.open(copy, "hf:net"))[0] == tuple(PROCESSOR["image_mean"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image_mean": None}, "no processor that states image_mean"),
        ({"image_mean": [0.5, 0.5]}, "image_mean has 2 numbers"),
        ({"image_std": ["a", 1, 1]}, "image_std is 'a', not a number"),
        ({"image_std": [0, 1, 1]}, "not above 0"),
        ({"do_flip_channel_order": True}, "swaps red and blue"),
    ],
)
def test_colours_that_are_refused(catalog: Catalog, copy: Path, changes: dict[str, Any], says: str) -> None:
    edit(copy / "preprocessor_config.json", **changes)
    assert says in refused(catalog, copy)


# -- the hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vit: Path) -> Iterator[FakeHub]:
    """A server with the model `ada/vit`, whose client keeps files in a folder of the test."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    with serve() as server:
        api = huggingface_hub.HfApi(endpoint=server.url, token=False)
        monkeypatch.setattr(hugging_face, "client", lambda: api)
        repository = server.repositories["ada/vit"] = Repository(private=False)
        repository.commit({each.name: each.read_bytes() for each in vit.iterdir()}, "the model")
        yield server
    huggingface_hub.utils.close_session()


def test_a_branch_is_resolved_to_its_commit(catalog: Catalog, hub: FakeHub, vit: Path) -> None:
    repository = hub.repositories["ada/vit"]
    first = repository.refs["main"]
    found, name = add_backbone(catalog, "hf:ada/vit")
    spec = found.backbones[name]
    assert name == f"hf:ada/vit@{first}" and spec.source == name
    assert add_backbone(catalog, "hf:ada/vit@main")[1] == add_backbone(catalog, name)[1] == name
    hub.change("ada/vit", **{"README.md": b"new"})
    second = repository.refs["main"]
    assert second != first and add_backbone(catalog, "hf:ada/vit")[1] == f"hf:ada/vit@{second}"
    loaded: Any = build_backbone(spec, 5, weights="pretrained")[0]
    local, local_name = add_backbone(catalog, f"hf:{vit}")
    ours: Any = build_backbone(local.backbones[local_name], 5, weights="pretrained")[0]
    theirs = loaded.model.state_dict()
    assert all(value.equal(theirs[key]) for key, value in ours.model.state_dict().items())


def test_weights_are_downloaded_when_they_are_loaded(catalog: Catalog, hub: FakeHub, tmp_path: Path) -> None:
    found, name = add_backbone(catalog, "hf:ada/vit")
    files = {each.name for each in (tmp_path / "hf-cache").rglob("*.*")}
    assert "config.json" in files and "model.safetensors" not in files
    build_backbone(found.backbones[name], 5, weights="pretrained")
    assert any((tmp_path / "hf-cache").rglob("model.safetensors"))


def test_without_the_hub_the_last_download_is_used(catalog: Catalog, hub: FakeHub) -> None:
    found, name = add_backbone(catalog, "hf:ada/vit")
    build_backbone(found.backbones[name], 5, weights="pretrained")
    hub.fail[".*"] = (503, "")
    again, same = add_backbone(catalog, name)
    assert same == name
    build_backbone(again.backbones[name], 5, weights="pretrained")
    assert "without it, name a commit that was downloaded before" in refused(catalog, "ada/vit")


def test_what_the_hub_has_not(catalog: Catalog, hub: FakeHub) -> None:
    assert "does not exist, or this login may not see it" in refused(catalog, "ada/nothing")
    assert "there is no revision 'v2'" in refused(catalog, "ada/vit@v2")
    assert "is not the name of a model repository" in refused(catalog, "vit b/16")
    hub.change("ada/vit", **{"model.safetensors": None, "pytorch_model.bin": b"x"})
    assert "has pickled weights alone (pytorch_model.bin)" in refused(catalog, "ada/vit")
