"""θ(S): a classifier that is trained on the low views under the transforms of a set S, and its decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from torch import Tensor

from benchmark_core.specs import Value
from elrbench import ElrError
from elrbench_plugins.svm_head.classifiers import train
from elrbench_plugins.svm_head.head import SvmHead

# kind of head -> scaling and C, those of the yardsticks `probe` and `hof-svm`
SETTINGS: Mapping[str, tuple[str, float]] = {
    "logistic": ("standardise", 0.01),
    "linear-svm": ("standardise", 0.01),
    "rbf-svm": ("standardise", 10.0),
    "chi2-svm": ("none", 10.0),
}


class Selector:
    """Train classifiers on descriptors (N, P, F) of N clips under P transforms, and ask for decisions on other clips.

    target: int64 (N,) or 0/1 (N, C). ids: of the clips. share: of the clips that are decided on; the others train.
    kind: of the head. group_sizes: features of each group, for a chi-square kernel.
    Raises ElrError if the training part has fewer than two classes.
    """

    def __init__(
        self,
        descriptors: Tensor,
        target: Tensor,
        ids: Sequence[str],
        *,
        classes: int,
        kind: str,
        share: float,
        group_sizes: Sequence[int],
    ) -> None:
        self.descriptors, self.target, self.classes = descriptors, target, classes
        self.kind, self.group_sizes = kind, group_sizes
        self.labels = target.ndim == 2
        self.learnt, self.decided = split(target, ids, share)  # rows
        labels = target[self.learnt]
        kinds = len(labels.unique(dim=0))
        if kinds < 2:
            raise ElrError(
                f"transforms are chosen on {len(self.decided)} clips by a classifier of {len(self.learnt)} others of "
                f"{kinds} classes, which is too few; raise method.selection_clips, use more training clips or "
                "method.select=random"
            )

    def decide(self, chosen: Sequence[int], seen: Sequence[int]) -> Tensor:
        """Train on the transforms `chosen`; return probabilities (A, len(seen), C) of A clips under those of `seen`."""
        x, options = self.descriptors, self._options()
        head = SvmHead(
            features=x.shape[2],
            classes=self.classes,
            options=options,
            one_vs_one=not self.labels,
            group_sizes=self.group_sizes,
        ).to(x.device)
        rows = x[self.learnt][:, list(chosen)].flatten(0, 1).unsqueeze(1)  # (N n, 1, F): clip by clip
        target = self.target[self.learnt].repeat_interleave(len(chosen), 0)
        train(head, rows, rows.new_ones(len(rows), 1), target, options)
        asked = x[self.decided][:, list(seen)].flatten(0, 1).unsqueeze(1)  # (A s, 1, F)
        logits: Tensor = head(asked, asked.new_ones(len(asked), 1)).double()
        found = logits.sigmoid() if self.labels else logits.softmax(1)
        return found.unflatten(0, (len(self.decided), len(seen)))

    def _options(self) -> dict[str, Value]:
        scaling, c = SETTINGS[self.kind]
        return {"head": self.kind, "scaling": scaling, "c": c, "gamma": 0.0, "pyramid": 1, "vectors": 1}


def split(target: Tensor, ids: Sequence[str], share: float) -> tuple[list[int], list[int]]:
    """Return the rows that train and those that are decided on, about `share` of each class, by the ids' hashes.

    Rows in order of class, then hash: the one at place i is decided on if floor((i + 1) share) > floor(i share). If
    that is none, the last one is decided on.
    """
    labels = target.reshape(len(target), -1).tolist()
    order = sorted(range(len(ids)), key=lambda row: (labels[row], hashlib.sha256(ids[row].encode()).digest()))
    decided = {row for place, row in enumerate(order) if int((place + 1) * share) > int(place * share)}
    decided = decided or set(order[-1:])
    return [row for row in order if row not in decided], [row for row in order if row in decided]
