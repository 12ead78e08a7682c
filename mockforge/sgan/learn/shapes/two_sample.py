"""Two-sample AUC of measured features: whether a small classifier tells painted sources from real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.torch_state import steadily

FOLDS = 5
_LEAST = 40
"""Sources of each side below which an AUC says nothing."""
_HIDDEN = 8
_RIDGE = 3e-3
"""Weight of the squared weights of a classifier."""


@dataclass(frozen=True)
class FeatureAuc:
    """Area under the ROC curve on folds that were not trained on; 0.5 where the two cannot be told apart."""

    logistic: float
    """Of logistic regression."""
    logistic_error: float
    """Standard error of its mean over the folds."""
    network: float
    """Of a network with one layer of 8 tanh, mean over folds and seeds."""
    network_error: float
    """Standard error of its mean over the folds, with the scatter over the seeds added in quadrature."""
    folds: np.ndarray
    """(1 + seeds, folds) float64: every AUC; the first row is the logistic regression's."""
    sources: tuple[int, int]
    """Real and painted sources."""

    @property
    def auc(self) -> float:
        """The larger of the two: what is told apart by either."""
        return max(self.logistic, self.network)

    def above(self, floor: FeatureAuc) -> float:
        """Return by how many sigma the logistic AUC lies above a floor's."""
        return (self.logistic - floor.logistic) / max(
            float(np.hypot(self.logistic_error, floor.logistic_error)), 1e-6
        )


@steadily()
def feature_auc(
    real: np.ndarray | Tensor, made: np.ndarray | Tensor, real_folds: np.ndarray, made_folds: np.ndarray,
    stream: Stream, seeds: int = 3,
) -> FeatureAuc:  # fmt: skip
    """Cross-validated AUC of a classifier between two sets of features.

    Parameters
    ----------
    real, made
        (N, F) and (M, F) features; each is replaced by its normal score within the training folds, so
        that no outlier and no unit counts.
    real_folds, made_folds
        (N,) and (M,) int: the fold of each source, by its place (`folds_by_place`), so that no sky or
        neighbour is both trained and tested on.
    stream
        First weights of the networks.
    seeds
        Networks trained for each fold; 0 leaves them out.

    Raises
    ------
    InputError
        With fewer than 40 sources on a side, or folds that leave no two with both.
    """
    a, b = (np.asarray(v.detach() if isinstance(v, Tensor) else v, dtype=np.float64) for v in (real, made))
    if min(len(a), len(b)) < _LEAST:
        raise InputError(
            f"{len(a)} real and {len(b)} painted sources: a feature AUC needs at least {_LEAST} of each"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("features of the sources are not all finite; leave out cutouts with masked pixels")
    real_folds, made_folds = np.asarray(real_folds), np.asarray(made_folds)
    out = []
    for k in sorted(set(real_folds.tolist()) & set(made_folds.tolist())):
        train = (a[real_folds != k], b[made_folds != k])
        test = (a[real_folds == k], b[made_folds == k])
        if min(len(v) for v in (*train, *test)) >= 5:
            out.append(_fold(train, test, stream.child(int(k)), seeds))
    if len(out) < 2:
        raise InputError(
            "fewer than two folds hold 5 sources of both sides; use smaller blocks for the folds"
        )
    folds = np.array(out).T
    error = folds.std(axis=1, ddof=1) / folds.shape[1] ** 0.5
    # where no network was asked for, the regression stands for both
    networks, errors = (folds[1:], error[1:]) if seeds else (folds, error)
    spread = networks.mean(axis=1).std(ddof=1) / len(networks) ** 0.5 if len(networks) > 1 else 0.0
    return FeatureAuc(
        logistic=float(folds[0].mean()), logistic_error=float(error[0]),
        network=float(networks.mean()), network_error=float(np.hypot(errors.mean(), spread)),
        folds=folds, sources=(len(a), len(b)),
    )  # fmt: skip


def folds_by_place(x: np.ndarray, y: np.ndarray, block: int = 256, folds: int = FOLDS) -> np.ndarray:
    """Fold of each place (N,) int: blocks of `block` px in a pattern in which no two neighbours are equal."""
    row, column = np.asarray(y) // block, np.asarray(x) // block
    return (column + 2 * row).astype(np.int64) % folds


def interleaved(x: np.ndarray, y: np.ndarray, block: int = 64) -> np.ndarray:
    """Halves of a field for a real-against-real floor, (N,) bool: a chequerboard of `block` px."""
    return (np.asarray(x) // block + np.asarray(y) // block).astype(np.int64) % 2 == 0


def real_floor(
    real: np.ndarray | Tensor, x: np.ndarray, y: np.ndarray, stream: Stream, block: int = 64, seeds: int = 3
) -> FeatureAuc:
    """AUC of one half of the real sources against the other, interleaved: what no painter can beat.

    `real` (N, F) features of sources at `x`, `y` (N,) px.
    """
    half, folds = interleaved(x, y, block), folds_by_place(x, y, 2 * block)
    return feature_auc(real[half], real[~half], folds[half], folds[~half], stream, seeds)


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive score exceeds a negative one, ties counted half (Mann & Whitney 1947)."""
    ranked = np.sort(negative)
    below = np.searchsorted(ranked, positive, side="left")
    through = np.searchsorted(ranked, positive, side="right")
    return float((below + through).mean() / (2.0 * len(ranked)))


def _fold(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], stream: Stream, seeds: int
) -> list[float]:
    """AUC on the test half: logistic regression's, then each network's."""
    together = np.concatenate(train)
    scores = normal_scores(together, together)
    sign = np.concatenate([np.ones(len(train[0])), -np.ones(len(train[1]))])
    # both sides count alike however many there are
    weight = np.concatenate([np.full(len(t), 0.5 / len(t)) for t in train])
    real, made = (normal_scores(together, t) for t in test)
    out = []
    for seed in range(-1, seeds):
        hidden = 0 if seed < 0 else _HIDDEN
        classifier = _trained(scores, sign, weight, hidden, stream.child("network", seed).numpy())
        out.append(auc(_logits(classifier, real, hidden)[0], _logits(classifier, made, hidden)[0]))
    return out


def normal_scores(among: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return normal scores (N, F) of the columns of `values` by their ranks in those of `among`."""
    ranked = np.sort(among, axis=0)
    part = np.stack([np.searchsorted(r, v) for r, v in zip(ranked.T, values.T, strict=True)], axis=1)
    return torch.special.ndtri(torch.from_numpy((part / len(among)).clip(0.005, 0.995))).numpy()


def _trained(
    scores: np.ndarray, sign: np.ndarray, weight: np.ndarray, hidden: int, rng: np.random.Generator
) -> np.ndarray:
    """Weights, flat, that minimise the mean log loss of labels `sign` = 1, -1, with a ridge."""
    from scipy.optimize import minimize

    inputs = scores.shape[1]
    size = inputs + 1 if not hidden else (inputs + 1) * hidden + hidden + 1
    first = np.zeros(size) if not hidden else rng.normal(size=size) / inputs**0.5

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits, inner = _logits(weights, scores, hidden)
        margin = sign * logits
        value = (weight * np.logaddexp(0.0, -margin)).sum() + _RIDGE * weights @ weights
        slope = -weight * sign / (1.0 + np.exp(margin.clip(-500, 500)))  # of the loss in the logit
        return float(value), _gradient(weights, scores, inner, slope) + 2.0 * _RIDGE * weights

    return minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 80}).x


def _logits(weights: np.ndarray, scores: np.ndarray, hidden: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits (N,) of flat weights, and what the hidden layer says (N, hidden)."""
    inputs = scores.shape[1]
    if not hidden:
        return scores @ weights[:inputs] + weights[inputs], None
    split = inputs * hidden
    inner = np.tanh(scores @ weights[:split].reshape(inputs, hidden) + weights[split : split + hidden])
    return inner @ weights[split + hidden : -1] + weights[-1], inner


def _gradient(
    weights: np.ndarray, scores: np.ndarray, inner: np.ndarray | None, slope: np.ndarray
) -> np.ndarray:
    """Gradient of the loss in the flat weights, from its slope (N,) in the logits."""
    if inner is None:
        return np.append(slope @ scores, slope.sum())
    hidden = inner.shape[1]
    last = weights[-1 - hidden : -1]
    back = slope[:, None] * last * (1.0 - inner**2)
    return np.concatenate([(scores.T @ back).ravel(), back.sum(0), slope @ inner, [slope.sum()]])
