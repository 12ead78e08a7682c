"""Adversarial losses on lists of logits (one tensor per scale)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = list[Tensor]


def critic_loss(kind: str, real: Logits, fake: Logits) -> Tensor:
    """Return the discriminator's loss, averaged over patches and scales."""
    return torch.stack([_critic(kind, r.float(), f.float()) for r, f in zip(real, fake, strict=True)]).mean()


def decisions(kind: str, real: Logits, fake: Logits) -> Logits:
    """Return what is positive where the discriminator takes a real sample for real, one tensor per scale."""
    if kind == "relativistic":  # it only ever learns how far real lies above fake
        return [r - f.mean() for r, f in zip(real, fake, strict=True)]
    return real


def generator_loss(kind: str, fake: Logits, real: Logits | None = None) -> Tensor:
    """Return the generator's loss; `relativistic` needs the real logits too."""
    real = real if real is not None else fake
    return torch.stack(
        [_generator(kind, f.float(), r.float()) for f, r in zip(fake, real, strict=True)]
    ).mean()


def _critic(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    match kind:
        case "hinge":
            return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()
        case "relativistic":
            return _relativistic(real, fake)
        case "non_saturating":
            return F.softplus(-real).mean() + F.softplus(fake).mean()
    raise ValueError(f"unknown loss {kind!r}")


def _generator(kind: str, fake: Tensor, real: Tensor) -> Tensor:
    match kind:
        case "hinge":
            return -fake.mean()
        case "relativistic":
            return _relativistic(fake, real)
        case "non_saturating":
            return F.softplus(-fake).mean()
    raise ValueError(f"unknown loss {kind!r}")


def _relativistic(up: Tensor, down: Tensor) -> Tensor:
    """Relativistic average standard loss: `up` should exceed the mean of `down`, and conversely.

    Jolicoeur-Martineau 2018, arXiv:1807.00734, equations 13 and 14, halved.
    """
    over = F.softplus(-(up - down.mean())).mean()
    under = F.softplus(down - up.mean()).mean()
    return 0.5 * (over + under)


def gradient_penalty(real: Tensor, logits: Logits) -> Tensor:
    """R1: mean squared gradient of the logits with respect to the real images.

    `real` (B, bands, s, s) must require a gradient. Mescheder et al. 2018, equation 9.
    """
    total = torch.stack([x.float().sum() for x in logits]).sum()
    (slope,) = torch.autograd.grad(total, real, create_graph=True)
    return slope.float().pow(2).sum(dim=(1, 2, 3)).mean()
