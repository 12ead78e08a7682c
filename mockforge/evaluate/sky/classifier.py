"""A two-sample classifier: a small CNN trained to tell real from generated cutouts (0.5 is perfect)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.report.report import Section, Verdict
from mockforge.evaluate.sky.floor import Pick, Settings, Splits, snake
from mockforge.evaluate.sky.scatter import Scatter, limit
from mockforge.rng import Stream
from mockforge.train.first_weights import first_weights

TITLE = "Two-sample classifier"
GENERATED, FLOOR, APART = "generated", "floor", "real, apart"
SIDE = 64
"""Side of the cutouts in pixels."""
_BATCH = 32
_FEWEST_BLOCKS = 8
_JUDGED_SIGMAS = 2.0
"""Sigmas above the floor to which a report passes; the goal is stricter."""


@dataclass(frozen=True)
class Scores:
    """Cross-validated scores: the AUC of each fold, and of every cutout its class and its score."""

    auc: np.ndarray
    cutouts: np.ndarray
    """(n, band, SIDE, SIDE) float32, asinh(flux / rms)."""
    generated: np.ndarray
    score: np.ndarray

    @property
    def mean(self) -> float:
        """Mean AUC of the folds."""
        return float(self.auc.mean())

    @property
    def error(self) -> float:
        """Its standard error, from the scatter of the folds."""
        return float(self.auc.std(ddof=1) / np.sqrt(len(self.auc))) if len(self.auc) > 1 else float("nan")


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half."""
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def classify(real: Pick, other: Pick, settings: Settings, stream: Stream) -> Scores | None:
    """Train and test by folds of interleaved blocks; None with fewer than eight blocks on a side.

    Only crops without a masked pixel are seen. Pixels are asinh(flux / rms of the real sample).
    """
    rng = stream.child("blocks").numpy()
    rms = real.sample.rms.astype(np.float32)
    real_tiles, other_tiles = (_tiles(p, rms, settings.classifier_blocks, rng) for p in (real, other))
    n = min(len(real_tiles), len(other_tiles))
    if n < _FEWEST_BLOCKS:
        return None
    tiles, generated = np.concatenate([real_tiles[:n], other_tiles[:n]]), np.repeat([False, True], n)
    fold = np.tile(np.arange(n) % min(settings.classifier_folds, n // 2), 2)
    cutouts, owner = _cutouts(tiles)
    score, areas = np.zeros(len(cutouts)), []
    for k in range(int(fold.max()) + 1):
        network = _train(
            tiles[fold != k], generated[fold != k], settings.classifier_epochs, stream.child("fold", k)
        )
        held_out = fold[owner] == k
        score[held_out] = _score(network, cutouts[held_out])
        areas.append(auc(score[held_out], generated[owner][held_out]))
    return Scores(np.array(areas), cutouts, generated[owner], score)


def over_seeds(tried: Sequence[Scores]) -> Scatter:
    """Mean AUC of each seed; their scatter is at least the median error of one, from its folds."""
    errors = [s.error for s in tried if np.isfinite(s.error)]
    return Scatter(tuple(s.mean for s in tried), float(np.median(errors)) if errors else 0.0)


def classifier_section(
    splits: Splits, settings: Settings, stream: Stream, told: Callable[[str], None] = lambda _: None
) -> tuple[Section, Scores | None]:
    """AUC of real against generated, of the interleaved floor and of the field's parts."""
    seeds = settings.classifier_seeds
    section = Section(
        TITLE,
        f"A small CNN on {SIDE} x {SIDE} cutouts in all bands, in units of the real sky's rms, "
        f"cross-validated by interleaved blocks: the mean AUC over {seeds} seeds (first weights, crops, "
        "folds, and the floor's halves). Sigma is the scatter over seeds, and at least one seed's error from "
        "its folds. 0.5: cannot be told apart. It sees noise and depth before sources: two parts of the "
        "real field differ by the last row.",
    )
    scores: dict[str, list[Scores]] = {}
    for name, pairs in (
        (GENERATED, splits.generated),
        (FLOOR, splits.floor),
        (APART, splits.apart[:1]),  # says how much the field drifts: one seed is enough
    ):
        if pairs:
            told(name)
            n = seeds if name != APART else 1
            tried = [classify(*pairs[k % len(pairs)], settings, stream.child(name, k)) for k in range(n)]
            scores[name] = [s for s in tried if s is not None]
    if not scores[GENERATED] or not scores[FLOOR]:
        section.text += (
            f"\n\nNot measured: fewer than {_FEWEST_BLOCKS} blocks without masked pixels on a side."
        )
        return section, None
    found = {name: over_seeds(tried) for name, tried in scores.items() if tried}
    section.rows = [
        scatter.row(name) | {"cutouts": len(scores[name][0].score)} for name, scatter in found.items()
    ]
    generated, floor = found[GENERATED], found[FLOOR]
    most = max(settings.auc, limit(generated, floor, _JUDGED_SIGMAS))
    rule = f"{generated.mean:.3f} against at most {most:.3f} (floor {floor.mean:.3f})"
    section.verdicts.append(Verdict("AUC", bool(generated.mean <= most), rule))
    return section, scores[GENERATED][0]


def _tiles(pick: Pick, rms: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Whole blocks without masked pixels (n, band, side, side), neighbours in order."""
    s = pick.sample
    clear = pick.blocks[s.clear[pick.blocks] == s.side**2]
    clear = np.sort(rng.permutation(clear)[:most])
    order = clear[snake(s.blocks[clear])] if len(clear) else clear
    shape = (0, len(rms), s.side, s.side)
    tiles = [np.arcsinh(s.cut(s.images, b) / rms[:, None, None]) for b in order]
    return np.stack(tiles).astype(np.float32) if tiles else np.zeros(shape, dtype=np.float32)


def _cutouts(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cutouts that scores are given to: a grid without overlap; and the tile each is of."""
    starts = range(0, tiles.shape[-1] - SIDE + 1, SIDE)
    grid = [tiles[..., y : y + SIDE, x : x + SIDE] for y in starts for x in starts]
    return np.concatenate(grid), np.tile(np.arange(len(tiles)), len(grid))


def _train(tiles: np.ndarray, generated: np.ndarray, epochs: int, stream: Stream):
    """Return a network trained on random crops, turned and flipped."""
    import torch

    with first_weights(stream):
        network = _network(tiles.shape[1])
    pixels, label = torch.from_numpy(tiles), torch.from_numpy(generated.astype(np.float32))
    rng = stream.child("crops").numpy()
    per_tile = max(1, (tiles.shape[-1] // SIDE) ** 2)
    steps = epochs * -(-len(tiles) * per_tile // _BATCH)
    adam = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=steps)
    network.train()
    for _ in range(steps):
        chosen = rng.integers(0, len(tiles), _BATCH)
        y, x = rng.integers(0, tiles.shape[-1] - SIDE + 1, (2, _BATCH))
        crops = torch.stack(
            [pixels[c, :, j : j + SIDE, i : i + SIDE] for c, j, i in zip(chosen, y, x, strict=True)]
        )
        crops = torch.rot90(crops, int(rng.integers(4)), (-2, -1))
        crops = crops.flip(-1) if rng.integers(2) else crops
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(crops)[:, 0], label[chosen])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        schedule.step()
    return network.eval()


def _network(bands: int):
    """Three strided convolutions; the mean and the largest answer over the cutout go into the score."""
    from torch import cat, nn

    class Ends(nn.Module):
        def forward(self, x):
            return cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)

    def layer(a: int, b: int, size: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, size, 2, size // 2, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.1)]

    return nn.Sequential(
        *layer(bands, 16, 5), *layer(16, 32, 3), *layer(32, 64, 3), Ends(), nn.Linear(128, 1)
    )


def _score(network, cutouts: np.ndarray) -> np.ndarray:
    """Mean logit over the eight orientations' two mirror images."""
    import torch

    with torch.no_grad():
        x = torch.from_numpy(np.ascontiguousarray(cutouts))
        return np.concatenate([(network(b) + network(b.flip(-1)))[:, 0].numpy() for b in x.split(256)])
