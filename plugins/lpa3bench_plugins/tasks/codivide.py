"""Which labels to believe by how large their losses are (DivideMix, Li et al., ICLR 2020, section 3.1)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from lpa3bench.errors import RunFailed

ITERATIONS = 10
TOLERANCE = 1e-2
COVARIANCE_FLOOR = 5e-4
"""Of the mixture's expectation maximisation, as released."""


def scaled_losses(losses: Tensor) -> Tensor:
    """From 0 for the smallest to 1 for the largest: [N]; 0 where all are equal.

    Raises:
        RunFailed: a loss is not finite.
    """
    low, high = losses.aminmax()
    if not bool(torch.isfinite(high - low)):  # once per epoch
        raise RunFailed(
            "the losses on the training images are not finite: the network has diverged; "
            "a smaller learning rate often helps",
            kind="diverged",
        )
    return (losses - low) / (high - low).clamp_min(torch.finfo(losses.dtype).tiny)


def remember(history: Tensor, losses: Tensor, length: int) -> Tensor:
    """The history [h, N] with the latest losses [N] below it, and no more than `length` rows."""
    return torch.cat([history, losses.unsqueeze(0)])[-length:]


def clean_probability(losses: Tensor, seed: int) -> Tensor:
    """How likely each label is right: float64 [N] in [0, 1], on the host, from losses [N].

    A mixture of two Gaussians is fitted to the losses; it is the posterior of the one with the lower mean.
    Where all losses are equal nothing speaks against any label, and it is 1 (the release fails there).

    The release leaves the mixture's start to NumPy's global generator, which it never seeds, so its splits
    cannot be repeated; here the start has a seed.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    values = losses.detach().cpu().numpy().reshape(-1, 1)
    if values.min() == values.max():
        return torch.ones(len(losses), dtype=torch.float64)
    mixture = GaussianMixture(
        2, max_iter=ITERATIONS, tol=TOLERANCE, reg_covar=COVARIANCE_FLOOR, random_state=seed
    )
    with warnings.catch_warnings():  # so few iterations are a part of the method, converged or not
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(values)
    posterior = mixture.predict_proba(values)[:, mixture.means_.argmin()]
    return torch.as_tensor(posterior, dtype=torch.float64)
