"""Train the head's classifier with scikit-learn, on one vector per clip, and copy it into the head's buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark_core.specs import Value
from elrbench import ElrError
from elrbench_plugins.svm_head.head import SvmHead
from elrbench_plugins.svm_head.kernels import chi_square
from elrbench_plugins.svm_head.options import KERNELS

CHI2_GAMMA = 0.1  # Ryoo et al., CVPR 2015 (their code): exp(-d / mean / 10), summed over groups


def train(head: SvmHead, features: Tensor, mask: Tensor, target: Tensor, options: Mapping[str, Value]) -> None:
    """Train `head` in place on features (N, K, F) with mask (N, K). target: int64 (N,) or 0/1 (N, C)."""
    x = head.pooled(features, mask)
    if head.scaling == "standardise":
        deviation = x.std(0, unbiased=False)
        _set(head, mean=x.mean(0), deviation=deviation.where(deviation > 1e-6, 1.0))
    x = head.scaled(x)
    y = target.cpu().numpy()
    if head.kind not in KERNELS:
        _linear(head, x, y, options)
        return
    given = _prepare_kernel(head, x, float(options["gamma"]))
    if head.one_vs_one:
        _one_vs_one(head, x, y, given, float(options["c"]))
    else:
        _one_vs_rest(head, x, y if y.ndim == 2 else np.eye(len(head.present))[y], given, float(options["c"]))


def _prepare_kernel(head: SvmHead, x: Tensor, gamma: float) -> dict[str, Any]:
    """Set the kernel's numbers; return scikit-learn's arguments `kernel` and `gamma`, and `x` to train on."""
    if head.kind == "rbf-svm":
        variance = float(x.double().var(unbiased=False))
        gamma = gamma or (1 / (x.shape[1] * variance) if variance > 0 else 1.0)  # gamma="scale"
        _set(head, gamma=torch.tensor(gamma))
        return {"kernel": "rbf", "gamma": gamma, "x": x.cpu().double().numpy()}
    if bool((x < 0).any()):
        raise ElrError(
            "the chi-square kernel takes no negative features, but the backbone has some; use e.g. "
            "method.head=rbf-svm or a backbone of histograms"
        )
    apart = chi_square(x, x, head.group_sizes)  # (N, N, groups)
    spread = apart.mean((0, 1))
    _set(head, gamma=torch.tensor(gamma or CHI2_GAMMA), spread=spread.where(spread > 0, 1.0))
    return {"kernel": "precomputed", "gamma": 1.0, "x": head.similarity(apart).cpu().double().numpy()}


def _machine(given: Mapping[str, Any], c: float) -> Any:
    from sklearn.svm import SVC

    return SVC(C=c, kernel=given["kernel"], gamma=given["gamma"], cache_size=500)


def _one_vs_one(head: SvmHead, x: Tensor, y: Any, given: Mapping[str, Any], c: float) -> None:
    machine = _machine(given, c).fit(given["x"], y)
    names, number = machine.classes_, len(head.present)  # classes with training clips
    rows = torch.from_numpy(machine.support_.astype(np.int64))
    within = np.repeat(np.arange(len(names)), machine.n_support_)  # support vectors are sorted by class
    coefficients, intercepts = torch.zeros(number, len(rows)), torch.zeros(number, number)
    for row, own in enumerate(within):
        others = [j for j in range(len(names)) if j != own]  # LIBSVM's rows leave out the own class
        coefficients[torch.from_numpy(names[others]), row] = torch.from_numpy(
            np.abs(machine.dual_coef_[:, row])
        ).float()
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    sign = -1 if len(names) == 2 else 1  # with two classes, scikit-learn's positive side is the second class
    for (i, j), value in zip(pairs, machine.intercept_, strict=True):
        intercepts[names[i], names[j]] = sign * value
        intercepts[names[j], names[i]] = -sign * value
    present = torch.zeros(number)
    present[torch.from_numpy(names)] = 1
    owner = torch.from_numpy(names[within].astype(np.int64))
    _set(
        head,
        vectors=x[rows.to(x.device)],
        owner=owner,
        coefficients=coefficients,
        intercepts=intercepts,
        present=present,
    )


def _one_vs_rest(head: SvmHead, x: Tensor, y: Any, given: Mapping[str, Any], c: float) -> None:
    """One machine per class on the same vectors; those that no machine uses are left out."""
    coefficients, intercepts = np.zeros((y.shape[1], len(x))), np.zeros(y.shape[1])
    for label in range(y.shape[1]):
        if len(set(y[:, label])) < 2:  # all or none of the clips have the label
            intercepts[label] = 1.0 if y[0, label] else -1.0
            continue
        machine = _machine(given, c).fit(given["x"], y[:, label])
        coefficients[label, machine.support_] = machine.dual_coef_[0]
        intercepts[label] = machine.intercept_[0]
    used = np.flatnonzero(np.abs(coefficients).sum(0))
    used = used if len(used) else np.zeros(1, np.int64)
    _set(
        head,
        vectors=x[torch.from_numpy(used).to(x.device)],
        owner=torch.zeros(len(used), dtype=torch.int64),
        coefficients=torch.from_numpy(coefficients[:, used]).float(),
        intercepts=torch.from_numpy(intercepts).float(),
    )


def _linear(head: SvmHead, x: Tensor, y: Any, options: Mapping[str, Value]) -> None:
    """A linear SVM, one vs rest; or logistic regression: multinomial, or one per label if there are several."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    c, values = float(options["c"]), _sparse(x) if head.sparse else x.cpu().double().numpy()

    def machine() -> Any:
        if head.kind == "linear-svm":
            return LinearSVC(C=c, dual="auto", max_iter=100_000, random_state=0)
        return LogisticRegression(C=c, max_iter=10_000)

    number = len(head.intercepts)
    weight, bias = np.zeros((number, x.shape[1])), np.full(number, -1.0)
    if y.ndim == 1:
        found = machine().fit(values, y)
        if len(found.classes_) == 2:  # one row for two classes: its positive side is the second
            found.coef_, found.intercept_ = (
                np.stack([-found.coef_[0], found.coef_[0]]) / 2,
                found.intercept_ * [-0.5, 0.5],
            )
        bias = np.full(number, float(found.intercept_.min()) - 1e3)  # classes without training clips
        weight[found.classes_], bias[found.classes_] = found.coef_, found.intercept_
    else:
        for label in range(number):
            if len(set(y[:, label])) == 2:
                found = machine().fit(values, y[:, label])
                weight[label], bias[label] = found.coef_[0], found.intercept_[0]
            elif y[0, label]:
                bias[label] = 1.0
    _set(head, weight=torch.from_numpy(weight).float(), intercepts=torch.from_numpy(bias).float())


def _sparse(x: Tensor) -> Any:
    """Return x (N, D) as a sparse matrix of float64; its memory is that of the entries other than zero."""
    from scipy.sparse import csr_matrix

    return csr_matrix(x.cpu().numpy()).astype(np.float64)


def _set(head: SvmHead, **buffers: Tensor) -> None:
    for name, value in buffers.items():
        old = getattr(head, name)
        head.register_buffer(name, value.to(old.device, old.dtype))
