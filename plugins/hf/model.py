"""Make the spec of the backbone that `hf:TEXT` names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.specs.published import Published
from elrbench import BackboneSpec, ElrError, Option
from elrbench_plugins.hf.architecture import Architecture
from elrbench_plugins.hf.colours import colours_of
from elrbench_plugins.hf.files import CONFIG, LocalModel, ModelFiles, check_files, read_json

SCHEME = "hf:"
PRETRAINED = "pretrained"
SMALLEST = 32  # sides of a pyramid: its last map is a 32nd of the view
_OF_A_FOLDER = re.compile(r"[^/]+@[0-9a-f]{16}")  # the name in plans of a model in a folder

UNSPECIFIED = (
    "features: the mean of the last map, over space and time. A class token is computed, but not classified, because "
    "methods pool maps",
    "classifier: one new linear layer; that of the checkpoint is for other classes",
    "other sizes and lengths than the published ones: position embeddings are interpolated, sides that are no multiple "
    "of the patch are padded with the mean colour",
    "stage maps: the network's own stages; of a transformer, the tokens after each quarter of its blocks",
)


def at(text: str, options: Mapping[str, Any] | None = None) -> BackboneSpec:
    """Return the backbone that `hf:TEXT` names.

    text: a folder, OWNER/NAME, or OWNER/NAME@REVISION of the hub; with options, its name in a recorded plan.
    options: of the recorded plan. The network is then built from its architecture; its weights are not available.
    Raises ElrError if the model is absent, brings code or pickles, or is not an image or video network.
    """
    if options is not None:
        return _spec(f"{SCHEME}{text}", Architecture.read(str(options.get("architecture", ""))), _absent(text))
    from elrbench_plugins.hf.describe import describe
    from elrbench_plugins.hf.weights import Pretrained

    shown = f"{SCHEME}{text}"
    model = _open(text, shown)
    check_files(model)
    config = read_json(model, CONFIG)
    mean, std = colours_of(model)
    source = f"{SCHEME}{model.path}" if isinstance(model, LocalModel) else f"{SCHEME}{model.name}"
    return _spec(f"{SCHEME}{model.name}", describe(config, mean, std, shown), Pretrained(model), source)


def _open(text: str, shown: str) -> ModelFiles:
    path = Path(text).expanduser()
    if path.is_dir():
        model: ModelFiles = LocalModel.open(Path(os.path.abspath(path)), shown)  # a link keeps its own name
        return model
    if Path(text.rpartition("@")[0] or text).expanduser().is_dir():
        raise ElrError(f"{shown}: a folder has no revisions; remove @{text.rpartition('@')[2]}")
    if _OF_A_FOLDER.fullmatch(text):
        raise ElrError(f"{shown} is the name of a folder's model in a plan; pass the folder: {SCHEME}FOLDER")
    if path.is_file() or text.startswith(("/", ".", "~")):
        raise ElrError(f"{shown}: there is no such folder; pass a folder that model.save_pretrained(FOLDER) wrote")
    from elrbench_plugins.hf.hub import HubModel

    return HubModel.open(text, shown)


def _spec(name: str, found: Architecture, weights: Callable[[Any], None], source: str = "") -> BackboneSpec:
    video = found.form == "video"
    option = Option(
        default=found.text,
        choices=(found.text,),
        help="configuration of the network and its colours; follows from the backbone's name and cannot be set",
    )
    return BackboneSpec(
        name=name,
        summary=f"{found.config.get('model_type')} of the library transformers",
        licence="as stated by the model",
        factory="elrbench_plugins.hf.network:build",
        dims=3 if video else 2,
        sampling=f"clip-{found.frames}" if video else "4x1",
        stages=tuple(found.stages),
        mean=found.mean,
        std=found.std,
        smallest=max(found.patch[1:]) if "num_hidden_layers" in found.config else SMALLEST,
        weights={PRETRAINED: weights},
        default_weights=PRETRAINED,
        published=(Published(size=found.size, sampling=f"1x{found.frames}"),),
        options={"architecture": option},
        unspecified=UNSPECIFIED,
        requires=("transformers",),
        extra="hf",
        source=source,
    )


def _absent(text: str) -> Callable[[Any], None]:
    """Return initial weights that are not here: those of a recorded plan."""

    def load(module: Any) -> None:
        raise ElrError(f"the weights of backbone '{SCHEME}{text}' are not loaded with a recorded plan; name the model")

    return load
