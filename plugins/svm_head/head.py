"""The head: features of a clip's intervals to logits, with scikit-learn's classifiers written in torch.

One vs one (rbf-svm, chi2-svm with one label): the machine of classes i and j decides D_ij = A_ij - A_ji + b_ij, where
A_ij is the sum over support vectors s of class i of a_js k(s, x) (Cortes and Vapnik, 1995; LIBSVM, 2011).
The logit of class i is its number of won decisions plus z / (3 (|z| + 1)) for the sum z of its decision values, as in
scikit-learn's `decision_function`: the largest logit is the prediction of `SVC(break_ties=True)`. A class
without training clips gets -1.

Otherwise: the decision value of each class against the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.svm_head.kernels import chi_square, squared_distances
from elrbench_plugins.svm_head.options import KERNELS
from elrbench_plugins.svm_head.pooling import hellinger, pyramid, unit_length
from elrbench_plugins.svm_head.precision import full_precision

GROWING = {"vectors": 0, "owner": 0, "coefficients": 1}  # buffers -> dimension whose length training determines


class SvmHead(nn.Module):
    """Map features (B, K, F) and mask (B, K) to logits (B, C). A new head is untrained: it returns zeros.

    features: F. one_vs_one: pairs of classes decide; otherwise each class against the rest.
    kinds, cells: bins of each kind of histogram, and cells of each grid, for the scaling `hellinger`.
    group_sizes: features of each group for `chi2-svm`; None for one group. Each part of the pyramid has its own groups.
    sparse: features are mostly zero; without a kernel, the classifier is then trained on a sparse matrix.

    Buffers with a kernel: `vectors` (S, D) support vectors, `owner` (S,) their classes, `coefficients` (C, S),
    `intercepts` (C, C) or (C,), `present` (C,) 1 for classes with training clips, `gamma` (), `spread` (groups,) mean
    distances. S is the option `vectors` until training, or weights that are loaded, determine it.
    Without a kernel: `weight` (C, D), `intercepts` (C,).
    """

    mean: Tensor
    deviation: Tensor
    vectors: Tensor
    owner: Tensor
    coefficients: Tensor
    intercepts: Tensor
    present: Tensor
    gamma: Tensor
    spread: Tensor
    weight: Tensor

    def __init__(
        self,
        *,
        features: int,
        classes: int,
        options: Mapping[str, Value],
        one_vs_one: bool = True,
        kinds: Sequence[int] = (1,),
        cells: Sequence[int] = (1,),
        group_sizes: Sequence[int] | None = None,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.scaling, self.levels = str(options["head"]), str(options["scaling"]), int(options["pyramid"])
        self.kinds, self.cells = tuple(kinds), tuple(cells)
        self.group_sizes = tuple(group_sizes or (features,)) * (2**self.levels - 1)
        self.one_vs_one = one_vs_one and self.kind in KERNELS
        self.sparse = sparse
        size, rows = features * (2**self.levels - 1), int(options["vectors"])
        buffers = {"intercepts": torch.zeros((classes, classes) if self.one_vs_one else (classes,))}
        if self.scaling == "standardise":
            buffers |= {"mean": torch.zeros(size), "deviation": torch.ones(size)}
        if self.kind in KERNELS:
            buffers |= {"vectors": torch.zeros(rows, size), "owner": torch.zeros(rows, dtype=torch.int64)}
            buffers |= {
                "coefficients": torch.zeros(classes, rows),
                "gamma": torch.ones(()),
                "present": torch.ones(classes),
            }
            buffers |= {"spread": torch.ones(len(self.group_sizes))} if self.kind == "chi2-svm" else {}
        else:
            buffers |= {"weight": torch.zeros(classes, size)}
        for name, value in buffers.items():
            self.register_buffer(name, value)
        self.register_load_state_dict_pre_hook(_take_lengths)

    def fit_to(self, state: Mapping[str, Tensor]) -> None:
        """Take the number of support vectors from `state`, whose names are this module's."""
        if self.kind not in KERNELS or "vectors" not in state or state["vectors"].ndim != 2:
            return
        rows = len(state["vectors"])
        for name, dim in GROWING.items():
            own: Tensor = getattr(self, name)
            if own.shape[dim] != rows:
                self.register_buffer(name, own.new_zeros([*own.shape[:dim], rows, *own.shape[dim + 1 :]]))

    def pooled(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return one vector per clip, (B, D), before `standardise`."""
        pooled = pyramid(features.float(), mask, self.levels)
        if self.scaling == "l2":
            return unit_length(pooled)
        return (
            hellinger(pooled, self.kinds, self.cells * (2**self.levels - 1)) if self.scaling == "hellinger" else pooled
        )

    def scaled(self, pooled: Tensor) -> Tensor:
        """Return the input of the classifier, (B, D)."""
        return (pooled - self.mean) / self.deviation if self.scaling == "standardise" else pooled

    def kernel(self, x: Tensor, others: Tensor) -> Tensor:
        """Return k(x_i, other_j) (B, S) for x (B, D) and others (S, D)."""
        if self.kind == "rbf-svm":
            return (-self.gamma * squared_distances(x, others)).exp()
        return self.similarity(chi_square(x, others, self.group_sizes))

    def similarity(self, apart: Tensor) -> Tensor:
        """Return the chi-square kernel (B, S) of distances (B, S, groups)."""
        return (-self.gamma * (apart / self.spread).sum(-1)).exp()

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C). Computed in float32 under autocast, too."""
        with full_precision(features.device):
            x = self.scaled(self.pooled(features, mask))
            if self.kind not in KERNELS:
                return x @ self.weight.T + self.intercepts
            near = self.kernel(x, self.vectors)  # (B, S)
            if not self.one_vs_one:
                return near @ self.coefficients.T + self.intercepts
            return self._vote(near)

    def _vote(self, near: Tensor) -> Tensor:
        """Return the logits of one vs one, (B, C), for kernel values (B, S)."""
        classes = torch.arange(len(self.present), device=near.device)
        owned = (self.owner.unsqueeze(1) == classes).to(near.dtype)  # (S, C)
        sums = (near.unsqueeze(1) * self.coefficients) @ owned  # (B, j, i): support of class i against class j
        meet = self.present.unsqueeze(0) * self.present.unsqueeze(1)  # (C, C): pairs that were trained
        decisions = (sums.transpose(1, 2) - sums + self.intercepts) * meet  # (B, i, j)
        votes, confidence = (decisions > 0).to(near.dtype).sum(2), decisions.sum(2)
        logits = votes + confidence / (3 * (confidence.abs() + 1))
        return logits.where(self.present > 0, -1.0)


def _take_lengths(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    assert isinstance(module, SvmHead)
    module.fit_to({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
