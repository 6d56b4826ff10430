"""What a network is built from, without its files: a JSON text that plans hold as `backbone.architecture`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmark_core.errors import ElrError
from elrbench_plugins.hf.colours import Colour

# Keys of a configuration that do not shape the features: of classifiers, of the library's version, of loading.
UNUSED = {
    "architectures", "attn_implementation", "dtype", "torch_dtype", "finetuning_task", "id2label", "label2id",
    "num_labels", "problem_type", "transformers_version", "out_features", "out_indices", "output_hidden_states",
    "output_attentions", "return_dict", "auto_map", "name_or_path", "is_encoder_decoder", "tie_word_embeddings",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network of transformers and how it is used.

    config: of the model with its defaults, without `UNUSED` and private keys.
    form: "backbone", by AutoBackbone; "image", by AutoModel; "video", by AutoModel with the embeddings of `video`.
    stages: name of each stage map -> the number of the hidden state, or of the backbone's stage, that it is.
    mean, std: of the colours, for pixels in [0, 1].
    """

    config: Mapping[str, Any]
    form: Literal["backbone", "image", "video"]
    stages: Mapping[str, int]
    mean: Colour
    std: Colour

    @property
    def text(self) -> str:
        """The canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def read(cls, text: str) -> Architecture:
        """Return the architecture of a `text`. Raises ElrError if it is none."""
        try:
            plain = json.loads(text)
            return cls(
                config=without_unused(dict(plain["config"])),
                form={"backbone": "backbone", "image": "image", "video": "video"}[plain["form"]],  # type: ignore[arg-type]
                stages=dict(sorted(((str(key), int(n)) for key, n in plain["stages"].items()), key=lambda row: row[1])),
                mean=_three(plain["mean"]),
                std=_three(plain["std"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ElrError(
                f"backbone.architecture is not what a plan of a backbone hf:… holds ({type(error).__name__}: {error}); "
                "run the plan again"
            ) from error

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) for which the weights were published."""
        return _pair(self.config.get("image_size") or 224)

    @property
    def frames(self) -> int:
        """Frames for which the weights were published; 1 of an image network."""
        return int(self.config.get("num_frames", 16)) if self.form == "video" else 1

    @property
    def patch(self) -> tuple[int, int, int]:
        """Frames, rows and columns of a token; rows and columns are 0 for a network without patches."""
        tubelet = self.config.get("tubelet_size", 1)
        if isinstance(tubelet, (list, tuple)):
            frames, rows, columns = map(int, tubelet)
            return frames, rows, columns
        return (int(tubelet), *_pair(self.config.get("patch_size") or 0))


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return int(rows), int(columns)


def without_unused(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without `UNUSED` and private keys: these name attention kernels that would be fetched."""
    return {key: value for key, value in sorted(config.items()) if key not in UNUSED and not key.startswith("_")}


def _three(values: Any) -> Colour:
    red, green, blue = map(float, values)
    return red, green, blue
