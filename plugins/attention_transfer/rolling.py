"""How much each block counts: fixed internal weights (Table I), or weights that roll from shallow to deep (eq. 5)."""

from __future__ import annotations

from benchmark_core.errors import ElrError

# STAT, section 3.3.2: block 1 to the last, for each stage of training in turn.
STAT = {
    4: ((0.4, 0.3, 0.2, 0.1), (0.3, 0.4, 0.2, 0.1), (0.2, 0.3, 0.4, 0.1), (0.1, 0.2, 0.3, 0.4)),
    2: ((2 / 3, 1 / 3), (1 / 3, 2 / 3)),
}
FIFTHS = 5  # of the training: STAT changes its weights every 10 of 50 epochs


def training_stage(epoch: int, epochs: int, stages: int) -> int:
    """Which of `stages` equal parts of the training `epoch` (from 0) falls in, from 0."""
    return min(epoch * stages // epochs, stages - 1)


def stage_in_turn(epoch: int, epochs: int, stages: int) -> int:
    """Which of `stages` has its turn in `epoch` (from 0): a new one every fifth of the training, then the first again.

    STAT uses its lists alternately, each for 10 epochs, and trains for 50 (section 3.3.2): four lists have their turns
    in 40, and the first has the last 10 again; two lists change places four times. Other budgets keep the fifths.
    """
    return training_stage(epoch, epochs, FIFTHS) % stages


def rolling_weights(blocks: int, per_stage: bool) -> list[list[float]]:
    """W[j][i] for training stage j and block i, each of N = `blocks`.

    W_ij is proportional to N - |i - j|. As printed, its divisor runs over training stages j, and the weights of a stage
    sum to 0.917 or 1.083 (N = 4). per_stage: the divisor runs over blocks i, so that each stage's weights sum to 1, as
    the fixed ones do.
    """
    near = [[blocks - abs(i - j) for i in range(blocks)] for j in range(blocks)]  # symmetric in i and j
    sums = [sum(row) for row in near]
    return [[near[j][i] / sums[j if per_stage else i] for i in range(blocks)] for j in range(blocks)]


def fixed(blocks: int, inner: str) -> list[float]:
    """The rows of Table I: "equal" 1/4-1/4-1/4-1/4, "doubling" 1/15-2/15-4/15-8/15, "last" 0-0-0-1."""
    raw = {
        "equal": [1.0] * blocks,
        "doubling": [2.0**i for i in range(blocks)],
        "last": [0.0] * (blocks - 1) + [1.0],
    }[inner]
    return [weight / sum(raw) for weight in raw]


def weights(
    rolling: str, blocks: int, *, epoch: int, epochs: int, inner: str = "equal", turns: str = "once"
) -> list[float]:
    """What each of `blocks` terms of eq. 2 (or 3) is multiplied by in `epoch` of `epochs`.

    rolling: "none" (`inner` then says which fixed weights), "cstat-per-stage", "cstat-printed", "stat".
    turns: "once" cuts training into as many equal stages as there are blocks; "fifths" is `stage_in_turn`.
    ElrError where STAT lists no weights for `blocks`.
    """
    if rolling == "none":
        return fixed(blocks, inner)
    stage = (stage_in_turn if turns == "fifths" else training_stage)(epoch, epochs, blocks)
    if rolling == "stat":
        if blocks not in STAT:
            raise ElrError(
                f"STAT lists rolling weights for 4 blocks, and the backbone has {blocks}; "
                "set method.rolling=cstat-per-stage"
            )
        return list(STAT[blocks][stage])
    return rolling_weights(blocks, per_stage=rolling == "cstat-per-stage")[stage]
