"""Mean and deviation of the colours that a network expects, from the configuration of its processor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from benchmark_core.errors import ElrError
from elrbench_plugins.hf.files import PROCESSORS, ModelFiles, read_json

Colour: TypeAlias = tuple[float, float, float]
INNER = ("video_processor", "image_processor", "feature_extractor")  # of a processor with several parts


def colours_of(model: ModelFiles) -> tuple[Colour, Colour]:
    """Return mean and standard deviation of red, green and blue for pixels in [0, 1].

    A processor computes ((255 f x - o) - m) / s for x in [0, 1], with its factor f, usually 1/255, and its offset o,
    usually 0. That is (x - mean) / std with mean = (m + o) / (255 f) and std = s / (255 f).
    Raises ElrError if no processor says so, or if one does more with the colours.
    """
    names = set(model.names())
    for name in PROCESSORS:
        if name in names:
            plain = read_json(model, name)
            inner = [plain[key] for key in INNER if isinstance(plain.get(key), Mapping)]
            for processor in (*inner, plain):
                if "image_mean" in processor or processor.get("do_normalize") is False:
                    return _colours(processor, f"{model.shown}: {name}")
    raise ElrError(
        f"{model.shown} has no processor that states image_mean and image_std ({PROCESSORS[1]}); save the model's "
        "processor into the folder, too: processor.save_pretrained(FOLDER)"
    )


def _colours(plain: Mapping[str, Any], where: str) -> tuple[Colour, Colour]:
    if plain.get("do_flip_channel_order"):
        raise ElrError(f"{where} swaps red and blue (do_flip_channel_order), which is not supported; use another model")
    normalises = plain.get("do_normalize") is not False
    mean = _three(plain.get("image_mean"), where, "image_mean") if normalises else (0.0,) * 3
    std = _three(plain.get("image_std"), where, "image_std") if normalises else (1.0,) * 3
    if plain.get("include_top") and normalises:  # EfficientNet's processor divides by the deviation twice
        std = tuple(each * each for each in std)
    factor, offset = 1 / 255, 0.0
    if plain.get("do_rescale") is False:
        factor = 1.0
    elif plain.get("rescale_factor") is not None:
        factor = _number(plain["rescale_factor"], where, "rescale_factor")
        # ViViT's and EfficientNet's processors subtract 1 after the factor.
        offset = float(bool(plain.get("offset") or plain.get("rescale_offset")))
    if factor <= 0 or min(std) <= 0:
        raise ElrError(f"{where} has a rescale_factor or an image_std that is not above 0; save the processor again")
    scale = 255 * factor
    means, deviations = [(each + offset) / scale for each in mean], [each / scale for each in std]
    return (means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2])


def _three(value: object, where: str, key: str) -> tuple[float, ...]:
    """Return three numbers; one number stands for all colours."""
    each = list(value) if isinstance(value, list) else [value] * 3
    if len(each) != 3:
        raise ElrError(f"{where}: {key} has {len(each)} numbers, not one for each of red, green and blue")
    return tuple(_number(one, where, key) for one in each)


def _number(value: object, where: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e6:
        raise ElrError(f"{where}: {key} is {value!r:.40}, not a number; save the processor again")
    return float(value)
