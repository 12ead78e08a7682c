"""Two-sample AUC of measured features: whether a small classifier tells painted sources from real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.train.first_weights import first_weights

FOLDS = 5
_LEAST = 40
"""Sources of each side below which an AUC says nothing."""
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
        Networks trained for each fold.

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
    networks = folds[1:]
    spread = networks.mean(axis=1).std(ddof=1) / len(networks) ** 0.5 if len(networks) > 1 else 0.0
    return FeatureAuc(
        logistic=float(folds[0].mean()), logistic_error=float(error[0]),
        network=float(networks.mean()), network_error=float(np.hypot(error[1:].mean(), spread)),
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
    is_real = torch.cat([torch.ones(len(train[0])), torch.zeros(len(train[1]))])
    # both sides count alike however many there are
    weight = torch.cat([torch.full((len(t),), 0.5 * len(together) / len(t)) for t in train])
    real, made = (normal_scores(together, t) for t in test)
    out = []
    for seed in range(-1, seeds):
        with first_weights(stream.child("network", seed)):
            width = scores.shape[1]
            hidden = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 1))
            classifier = nn.Linear(width, 1) if seed < 0 else hidden
        _train(classifier, scores, is_real, weight)
        with torch.no_grad():
            out.append(auc(classifier(real)[:, 0].numpy(), classifier(made)[:, 0].numpy()))
    return out


def normal_scores(among: np.ndarray, values: np.ndarray) -> Tensor:
    """Return normal scores (N, F) float32 of the columns of `values` by their ranks in those of `among`."""
    ranked = np.sort(among, axis=0)
    part = np.stack([np.searchsorted(r, v) for r, v in zip(ranked.T, values.T, strict=True)], axis=1)
    return torch.special.ndtri(torch.from_numpy((part / len(among)).clip(0.005, 0.995))).float()


def _train(classifier: nn.Module, scores: Tensor, is_real: Tensor, weight: Tensor) -> None:
    optimiser = torch.optim.LBFGS(classifier.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = classifier(scores)[:, 0]
        value = F.binary_cross_entropy_with_logits(logits, is_real, weight)
        value = value + _RIDGE * torch.stack([p.square().sum() for p in classifier.parameters()]).sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
