"""The stage that chooses n transforms of the pool on training clips."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from elrbench_plugins.isr.chosen import Chosen
from elrbench_plugins.isr.descriptors import described, descriptor
from elrbench_plugins.isr.entropy import most_uncertain
from elrbench_plugins.isr.grid import Pool, pool_of
from elrbench_plugins.isr.metropolis import Proposals, State, disagreement, search
from elrbench_plugins.isr.options import BOUNDARY, POOL, SELECTOR
from elrbench_plugins.isr.selector import Selector

if TYPE_CHECKING:
    import numpy as np

    from elrbench import Training

REVISION = 2  # of `choose`: raise it when its result changes
READS = {"entropy": tuple(SELECTOR), "boundary": (*SELECTOR, *BOUNDARY), "random": ()}  # options, next to the pool's


def chosen_transforms(training: Training) -> Chosen:
    """Choose the plan's transforms, in a stage, and return them."""
    options = training.options
    select = str(options["select"])
    module = training.to_device(Chosen(int(options["transforms"])))
    chosen: Chosen = training.stage(
        "transforms",
        functools.partial(choose, training),
        module,
        needs=("low", *(() if select == "random" else ("high",)), "transforms", "select", *POOL, *READS[select]),
        revision=REVISION,
    )
    return chosen


def choose(training: Training, module: Chosen) -> None:
    """Set the transforms of `module` by entropy, by the decision boundary, or at random."""
    options = training.options
    select, number = str(options["select"]), int(options["transforms"])
    pool, low = pool_of(options), training.components.degradation.low
    assert low is not None, "`check` refuses clips as recorded"
    if training.device.type == "meta":
        return  # a count of MACs: there is nothing to choose by
    if select == "random":
        numbers = [0, *(1 + training.rng.permutation(len(pool) - 1)[: number - 1])]
        module.set(pool, numbers, low)
        _note(training, pool, numbers, "at random")
        return
    derived = described(training, pool)
    for batch in training.epochs(derived, 1, state=[module], batch=len(derived)):
        assert batch.derived is not None
        selector = Selector(
            batch.derived[:, 0],
            batch.target,
            batch.ids,
            classes=training.classes,
            kind=str(options["selector"]),
            share=float(options["selection_share"]),
            group_sizes=descriptor().group_sizes,
        )
        if select == "entropy":
            numbers, worth = most_uncertain(selector.decide, len(pool), number, labels=selector.labels)
            training.log(entropy=sum(worth) / len(worth))
        else:
            numbers = by_boundary(training, selector, pool, training.rng)
        module.set(pool, numbers, low)
        _note(training, pool, numbers, f"by {select}")


def by_boundary(training: Training, selector: Selector, pool: Pool, rng: np.random.Generator) -> list[int]:
    """Return the set whose decisions on low views as they are agree best with those of the whole pool."""
    options = training.options
    ideal = selector.decide(range(len(pool)), [0])[:, 0]  # (A, C): θ*, approximated by a large set

    def energy(state: State) -> float:
        found = selector.decide([0, *sorted(state)], [0])[:, 0]
        return disagreement(ideal, found, distance=str(options["boundary_distance"]), labels=selector.labels)

    walk = search(
        rng,
        energy,
        Proposals(distances=pool.distances(), width=float(options["boundary_width"])),
        int(options["transforms"]),
        steps=int(options["boundary_steps"]),
        sharpness=float(options["boundary_sharpness"]),
    )
    training.log(disagreement=walk.energy / len(ideal), accepted=walk.accepted)
    return [0, *sorted(walk.best)]


def _note(training: Training, pool: Pool, numbers: list[int], how: str) -> None:
    names = "; ".join(pool.name(number) for number in numbers[1:])
    training.note(
        f"low views of training are the view as it is and {len(numbers) - 1} transforms, chosen {how} of {len(pool)}: "
        f"{names}"
    )
