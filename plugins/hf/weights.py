"""Load a model's weights, safetensors alone, into a network; everything but classifiers must fit."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError

from elrbench import ElrError
from elrbench_plugins.hf.files import ModelFiles
from elrbench_plugins.hf.library import without_pooling
from elrbench_plugins.hf.network import TransformersNetwork

# Norms of maps that AutoBackbone adds: checkpoints of the same network lack them, and their initial values are fixed.
ADDED = "hidden_states_norms."


@dataclass(frozen=True)
class Pretrained:
    """The published weights of a model, as initial weights of its backbone."""

    model: ModelFiles

    def __call__(self, module: TransformersNetwork) -> None:
        """Load them in place. Raises ElrError if they are damaged, or if a part of the network is not in them."""
        folder, network = self.model.folder(), module.model
        try:
            with _quiet():
                loaded, report = type(network).from_pretrained(
                    folder,
                    config=network.config,
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # `_check` names them
                    **without_pooling(type(network)),
                )
        except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ElrError(f"the weights of {self.model.shown} cannot be loaded ({reason})") from error
        self._check(report)
        state: dict[str, Any] = loaded.state_dict()
        if bad := [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]:
            raise ElrError(f"the weights of {self.model.shown}: {len(bad)} tensors are not finite (first: {bad[0]})")
        network.load_state_dict(state)

    def _check(self, report: dict[str, Any]) -> None:
        """Raise ElrError for tensors that are missing or have another shape. Left-over ones are of other heads."""
        missing = sorted(key for key in report["missing_keys"] if not key.startswith(ADDED))
        misshapen = sorted(str(each[0] if isinstance(each, tuple) else each) for each in report["mismatched_keys"])
        for what, names in (("are missing", missing), ("have another shape", misshapen)):
            if names:
                raise ElrError(
                    f"the weights of {self.model.shown} do not fit its configuration: {len(names)} tensors {what} "
                    f"(first: {names[0]}); save the model again"
                )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's progress bars and its notes on classifiers that are left out."""
    from transformers.utils import logging as own

    bars, level = own.is_progress_bar_enabled(), own.get_verbosity()
    own.disable_progress_bar()
    own.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        own.set_verbosity(level)
        if bars:
            own.enable_progress_bar()
