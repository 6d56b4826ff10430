"""`--keep best`: choose an epoch by held-out clips. It changes what is trained, so plan and stage keys name it."""

from __future__ import annotations

import re

from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan

_BEST = re.compile(r"best(?:-every-([1-9]\d{0,3}))?")


def read_keep(asked: str | None, holdout: float) -> str:
    """Return the value of --keep as plans hold it: "" for the last epoch, `best`, or `best-every-N`.

    Raises ElrError if it has another form, or if no clips are held out.
    """
    if asked in (None, "", "last"):
        return ""
    text = str(asked)
    found = _BEST.fullmatch(text)
    if found is None:
        raise ElrError(f"--keep {text} is not last, best or best-every-N; pass e.g. --keep best-every-5")
    if not holdout:
        raise ElrError(
            f"--keep {text} chooses an epoch by clips that are held out of training; pass --holdout FRACTION, too"
        )
    return "best" if found[1] in (None, "1") else text


def scored_every(keep: str) -> int:
    """Return the number of epochs between two scores that `--keep` compares; 0 if nothing is compared."""
    found = _BEST.fullmatch(keep)
    return int(found[1] or 1) if found else 0


def check_validate(plan: Plan, every: int) -> None:
    """Raise ElrError if epochs are to be scored and the plan holds no clips out, or scores epochs by itself."""
    if every and not plan.holdout:
        raise ElrError(
            "--validate scores epochs on clips that are held out of training, never on test clips; pass --holdout "
            "FRACTION, too"
        )
    if every and plan.keep:
        wanted = "best" if every == 1 else f"best-every-{every}"
        raise ElrError(f"--keep {plan.keep} scores its epochs by itself; remove --validate, or pass --keep {wanted}")
