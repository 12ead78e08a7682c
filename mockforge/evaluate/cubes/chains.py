"""Markov chains of fits: whether they have settled, and each state as often as it was held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PIECES = 4
"""Pieces that a chain is compared in."""
MOST = 1.2
"""R above which pieces of a chain differ: Gelman & Rubin's, and Brooks & Gelman's (1998)."""
RULE = (
    f"not converged: Gelman and Rubin's (1992) R of {PIECES} pieces of the chain above {MOST:g} in any of the"
    " five parameters, which 9 of 10 chains worth 20 independent samples pass, and 1 of 10 worth 2"
)


def potential_reduction(values: np.ndarray, pieces: int = PIECES) -> float:
    """Return the square root by which an endless chain might still narrow a distribution, 1 where settled.

    R^2 = (n - 1) / n + B / W, with W the mean variance within pieces of n steps and B that of their means:
    Gelman & Rubin 1992, Stat. Sci. 7, 457, on pieces of one chain (Gelman et al. 2013, Bayesian Data
    Analysis, section 11.4). Steps of a chain depend on one another, so that pieces that have not seen
    everything have means farther apart than their own spread; that of independent steps falls as 1 / n.

    Parameters
    ----------
    values : ndarray
        (N,), a state for each proposal.
    pieces : int
        How many.
    """
    parts = np.array_split(np.asarray(values, dtype=float), pieces)
    within = float(np.mean([part.var(ddof=1) for part in parts]))
    between = float(np.var([part.mean() for part in parts], ddof=1))
    if not within > 0:
        return float("inf")
    steps = len(parts[-1])
    return float(np.sqrt((steps - 1) / steps + between / within))


def unsettled(chains: Mapping[str, np.ndarray]) -> str:
    """Return why chains, parameter -> (N,), have not settled; nothing where they have."""
    found = {name: potential_reduction(values) for name, values in chains.items()}
    worst = max(found, key=lambda name: found[name])
    if found[worst] <= MOST:
        return ""
    return f"not converged: R is {found[worst]:.2f} of {worst.replace('_', ' ')}"


def every_state(rows: np.ndarray, held: np.ndarray, last: float) -> np.ndarray:
    """Return the last part of a chain with a row for each proposal.

    Parameters
    ----------
    rows : ndarray
        (A, P), a row for each state that was accepted.
    held : ndarray
        (A,), proposals that were made from each.
    last : float
        Part of the proposals.
    """
    full = np.repeat(rows, held, axis=0)
    return full[int(len(full) * (1 - last)) :]
