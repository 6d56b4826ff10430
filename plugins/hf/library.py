"""The calls of the library transformers, which is imported when a model is used, not when the plugin is loaded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version as version_of
from typing import Any

from benchmark_core.extras import how_to_install
from elrbench import ElrError
from elrbench_plugins.hf.architecture import without_unused


def version() -> str:
    """Return the version of transformers."""
    return version_of("transformers")


def _auto() -> Any:
    try:
        from transformers.models.auto import modeling_auto
    except ImportError as error:
        raise ElrError(f"backbone 'hf' needs {how_to_install('transformers', 'hf')} ({error})") from error
    return modeling_auto


def config_of(plain: Mapping[str, Any], shown: str) -> Any:
    """Return the configuration object of a JSON configuration. Raises ElrError if transformers does not know it."""
    _auto()
    from transformers import CONFIG_MAPPING

    kind = plain.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ElrError(f"{shown}: the model_type {kind!r:.40} is not known to transformers {version()}; update it")
    try:
        config = CONFIG_MAPPING[kind].from_dict(without_unused(plain))
    except Exception as error:  # each class checks its values in its own way
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ElrError(f"{shown}: its configuration is not one of '{kind}' ({reason})") from error
    return config


def is_backbone(kind: str) -> bool:
    """Return whether AutoBackbone knows the type, as part of transformers itself."""
    return kind in _auto().MODEL_FOR_BACKBONE_MAPPING_NAMES and not kind.startswith("timm")


def is_image_network(kind: str) -> bool:
    """Return whether AutoModel knows the type as an image network, as part of transformers itself."""
    return kind in _auto().MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES and not kind.startswith("timm")


def auto_backbone(config: Any) -> Any:
    """Return a newly initialised network with `feature_maps`."""
    return _auto().AutoBackbone.from_config(config)


def auto_model(config: Any) -> Any:
    """Return a newly initialised network without classifier and, if its class allows that, without pooling layer."""
    return _auto().AutoModel.from_config(config, **without_pooling(_auto().MODEL_MAPPING[type(config)]))


def without_pooling(kind: Any) -> dict[str, bool]:
    """Return the argument by which a class leaves out its pooling layer, if it has it."""
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}
