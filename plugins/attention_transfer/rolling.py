"""Weights of the blocks in eq. 2 and 3: fixed (CSTAT, Table I), or rolling from shallow to deep (eq. 5)."""

from __future__ import annotations

from benchmark_core.errors import ElrError

# STAT, section 3.3.2: one list per stage of training, from the first block to the last.
STAT = {
    4: ((0.4, 0.3, 0.2, 0.1), (0.3, 0.4, 0.2, 0.1), (0.2, 0.3, 0.4, 0.1), (0.1, 0.2, 0.3, 0.4)),
    2: ((2 / 3, 1 / 3), (1 / 3, 2 / 3)),
}
FIFTHS = 5  # STAT changes its weights every 10 of 50 epochs


def training_stage(epoch: int, epochs: int, stages: int) -> int:
    """Return which of `stages` equal parts of the training contains `epoch`; both count from 0."""
    return min(epoch * stages // epochs, stages - 1)


def stage_in_turn(epoch: int, epochs: int, stages: int) -> int:
    """Return the list that STAT uses in `epoch`, counted from 0: the next one every fifth of the training, in a cycle.

    STAT alternates its lists every 10 epochs and trains for 50 (section 3.3.2). Four lists take 40 epochs, so that the
    first returns for the last 10. Two lists alternate. Other numbers of epochs keep the fifths.
    """
    return training_stage(epoch, epochs, FIFTHS) % stages


def rolling_weights(blocks: int, per_stage: bool) -> list[list[float]]:
    """Return eq. 5: W[j][i] for training stage j and block i, N = `blocks` of each.

    W_ij is proportional to N - |i - j|. The printed divisor is a sum over training stages j, so that the weights of a
    stage sum to 0.917 or 1.083 (N = 4). per_stage: divide by the sum over blocks i, so that the weights of a stage sum
    to 1, as the fixed weights do.
    """
    numerators = [[blocks - abs(i - j) for i in range(blocks)] for j in range(blocks)]  # symmetric in i and j
    sums = [sum(row) for row in numerators]
    return [[numerators[j][i] / sums[j if per_stage else i] for i in range(blocks)] for j in range(blocks)]


def fixed(blocks: int, inner: str) -> list[float]:
    """Return a row of Table I: "equal" 1/4-1/4-1/4-1/4, "doubling" 1/15-2/15-4/15-8/15, "last" 0-0-0-1."""
    raw = {
        "equal": [1.0] * blocks,
        "doubling": [2.0**i for i in range(blocks)],
        "last": [0.0] * (blocks - 1) + [1.0],
    }[inner]
    return [weight / sum(raw) for weight in raw]


def weights(
    rolling: str, blocks: int, *, epoch: int, epochs: int, inner: str = "equal", turns: str = "once"
) -> list[float]:
    """Return the weights of the `blocks` terms of eq. 2 or 3 in `epoch` of `epochs`.

    rolling: "none" for the fixed weights that `inner` names, "cstat-per-stage", "cstat-printed" or "stat".
    turns: "once" divides training into as many equal stages as blocks; "fifths" is `stage_in_turn`.
    ElrError if STAT lists no weights for this number of blocks.
    """
    if rolling == "none":
        return fixed(blocks, inner)
    stage = (stage_in_turn if turns == "fifths" else training_stage)(epoch, epochs, blocks)
    if rolling == "stat":
        if blocks not in STAT:
            raise ElrError(
                f"STAT lists rolling weights for 2 or 4 maps, not for {blocks}; set method.rolling=cstat-per-stage"
            )
        return list(STAT[blocks][stage])
    return rolling_weights(blocks, per_stage=rolling == "cstat-per-stage")[stage]
