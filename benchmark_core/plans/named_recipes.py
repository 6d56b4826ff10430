"""Named sets of training options for `--recipe NAME`. Imports no torch.

A recipe is a shorthand: the plan holds its settings, not its name, so that `--set` may change single numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.specs import MethodSpec, Value

# Method options by recipe. They apply to any backbone and any length of training: epochs and batch are the budget's.
NAMED_RECIPES: Mapping[str, Mapping[str, Value]] = {
    "modern": {  # for a few hundred clips, where a network that is simply trained on labels overfits
        "optimiser": "adamw",
        "lr": 2e-3,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "warmup_epochs": 3,
        "clip_norm": 5.0,
        "label_smoothing": 0.1,
        "random_crop": "none",
        "random_shift": 0.08,
        "random_zoom": 0.15,
        "colour_jitter": 0.2,
        "mixup_alpha": 0.2,
        "model_ema_decay": 0.99,
    },
}


def recipe_settings(method: MethodSpec, name: ComponentName, recipe: str | None) -> dict[str, Value]:
    """Return a recipe's settings as "method.KEY"; none if `recipe` is None.

    Raises ElrError if the recipe is unknown, or if the method lacks one of its options.
    """
    if recipe is None:
        return {}
    if recipe not in NAMED_RECIPES:
        raise unknown("recipe", recipe, NAMED_RECIPES)
    options = NAMED_RECIPES[recipe]
    if missing := [key for key in options if key not in method.options]:
        raise ElrError(
            f"method '{name}' lacks options of the recipe '{recipe}' ({', '.join(missing)}); remove --recipe (a plugin "
            "gets these options from elrbench.RECIPE)"
        )
    return {f"method.{key}": value for key, value in options.items()}
