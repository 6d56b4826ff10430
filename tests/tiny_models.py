"""Tiny random models of transformers in folders, as `save_pretrained` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

TRANSFORMER = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
PYRAMID = {"hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 2, 1]}
# model_type -> values of its configuration. Sizes are published ones in miniature: 32 pixels, 8 or 4 frames.
CONFIGS: dict[str, dict[str, Any]] = {
    "vit": {**TRANSFORMER, "image_size": 32, "patch_size": 8},
    "dinov2": {**TRANSFORMER, "image_size": 28, "patch_size": 7},
    "convnext": {"hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 2, 1], "num_channels": 3},
    "mobilenet_v2": {"depth_multiplier": 0.1, "image_size": 64, "finegrained_output": False, "min_depth": 4},
    "resnet": {"embedding_size": 4, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"},
    "swin": {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2, "image_size": 64},
    "videomae": {**TRANSFORMER, "image_size": 32, "patch_size": 8, "num_frames": 8, "tubelet_size": 2},
    "vivit": {**TRANSFORMER, "image_size": 32, "num_frames": 8, "tubelet_size": [2, 8, 8]},
    "timesformer": {**TRANSFORMER, "image_size": 32, "patch_size": 8, "num_frames": 4},
}
VIDEO = ("videomae", "vivit", "timesformer")
PROCESSOR = {"do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5]}


def model_of(kind: str, **changes: Any) -> Any:
    """Return the model of AutoModel, with random weights, position embeddings included."""
    from transformers import CONFIG_MAPPING, AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_config(CONFIG_MAPPING[kind](**{**CONFIGS[kind], **changes}))
    for name, parameter in model.named_parameters():
        if "position" in name or "time_embeddings" in name or "cls_token" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def saved(folder: Path, kind: str, **changes: Any) -> Path:
    """Save a model and the configuration of its processor in `folder`; return it."""
    model_of(kind, **changes).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR), encoding="utf-8")
    return folder
