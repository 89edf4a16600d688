"""Virtual adversarial training (Miyato et al., TPAMI 2018): views along the direction in which the network's
prediction changes most."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, View
from lpa3bench.ops import at_least_float32
from lpa3bench_plugins.parameters import at_least, one_of, positive

LENGTH_EPSILON = 1e-16
"""Added to the length of a direction, as in semilearn's code; lyakaap's has 1e-8."""


class VAT(Augmenter):
    """x' = x + ε·d, with d the direction of unit length in which the prediction at x changes most.

    d is found by power iterations: the gradient of the divergence between the predictions at x and a little
    way from it, KL(f(x) ‖ f(x + ξ·d)), is the next d. Lengths are Euclidean, of a whole image in normalised
    units. The statistics of BatchNorm are those of the batch, and the main running ones stand still.

    Cost: one forward pass for the prediction, and for each iteration one forward pass and one backward pass
    to the image.

    Args:
        radius: ε. Published for CIFAR-10 in semilearn: 6; the paper's 10 is of whitened images.
        iterations: of the power method.
        probe: ξ. Published: 1e-6, at which float32 finds little but rounding (the direction's cosine with
            float64's lies between −0.6 and 0.99), while 1e-3 finds the same direction in both.
        target: what the views are trained towards: "prediction", the network's own on the image, so that
            the loss is VAT's but for a constant; "task", what the task would train the image towards.
        domain: the BatchNorm that the search uses and the views are trained through, "main" or "aux".

    Deviations: probe is 1e-3 by default, for the reason above; the view is kept within [0, 1], as images
    are.

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/1704.03976"
    needs_model = True

    def __init__(
        self,
        *,
        radius: float = 6.0,
        iterations: int = 1,
        probe: float = 1e-3,
        target: Literal["prediction", "task"] = "task",
        domain: Domain = "main",
    ) -> None:
        positive(radius=radius, probe=probe)
        at_least(0, iterations=iterations)
        one_of(("prediction", "task"), target=target)
        one_of(("main", "aux"), domain=domain)
        self.radius = radius
        self.iterations = iterations
        self.probe = probe
        self.target = target
        self.bn_domain = domain
        self.soft_targets = target == "prediction"

    def unshared(self) -> str | None:
        """Directions have length one whatever the divergence's scale is."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        """A view of every image."""
        model = ctx.model
        z = model.normalise(x)
        with torch.no_grad():
            prediction = at_least_float32(model.from_normalised(z).logits).softmax(dim=1)
        direction = ctx.draws.normal(z.shape, like=z)
        for _ in range(self.iterations):
            with torch.enable_grad():
                near = (self.probe * _unit(direction)).requires_grad_()
                logits = at_least_float32(model.from_normalised(z + near).logits)
                divergence = F.kl_div(F.log_softmax(logits, dim=1), prediction, reduction="batchmean")
                (direction,) = torch.autograd.grad(divergence, near)
        view = torch.addcmul(x, self.radius * _unit(direction), model.std).clamp_(0, 1)
        target = prediction.to(x.dtype) if self.soft_targets else None
        return View(view, torch.arange(len(x), device=x.device), target=target)


def _unit(direction: Tensor) -> Tensor:
    """Of length one for each image: [B, C, H, W] → the same."""
    length: Tensor = torch.linalg.vector_norm(direction, dim=(1, 2, 3), keepdim=True)
    return direction / (length + LENGTH_EPSILON)
