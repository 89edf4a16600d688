"""Projected gradient descent (Madry et al., ICLR 2018): views that the network takes for something else."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, View
from lpa3bench.ops import at_least_float32
from lpa3bench.runtime.device import send
from lpa3bench_plugins.parameters import at_least, fraction, not_negative, one_of, positive

LEVELS = 255


class PGD(Augmenter):
    """Views within a ball around each image, found by steps along the gradient of a label's loss.

    What an adversarial view does that has not LP-A3's aim: it changes what the network says, whatever the
    distance in its features. Trained through the auxiliary BatchNorm it is AdvProp (Xie et al., CVPR 2020,
    overlay `augmenters/advprop`); with one iteration, no start noise and step_size = epsilon it is FGSM.

    Cost: for each image one forward pass and one backward pass to the image in every iteration, and one
    forward pass more where the model says the label.

    Args:
        epsilon: radius of the ball, in grey levels of 255.
        norm: what the radius and the steps are measured by: "linf", the largest change of a value, with steps
            along the gradient's sign; "l2", the Euclidean length of an image's change, with steps along the
            gradient.
        step_size: length of a step, in grey levels. No step is shorter than epsilon / iterations, so that
            the ball's edge is within reach, as in the code that the golden vectors come from.
        iterations: 0: the start noise alone, a control.
        noise: probability that an image's search starts from noise, uniform in the ball, and not from the
            image as it is. AdvProp says 0.8; the re-implementation comes to 0.42, drawn once for a batch.
        aim: "away": raise the loss of the image's label, as the papers say; "target": lower the loss of
            another label, drawn at random for each image, as that re-implementation trains.
        label: whose label: "given", the arg max of the task's target where there is one; "model", the
            model's own prediction.
        statistics: of BatchNorm during the search: "running", as in that re-implementation, or "batch", as in
            LP-A3's.
        domain: the BatchNorm that the search uses and the views are trained through, "main" or "aux".

    Deviation: the other label is never the image's own; that code draws it from all labels.

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/1706.06083"
    needs_model = True

    def __init__(
        self,
        *,
        epsilon: float = 4.0,
        norm: Literal["linf", "l2"] = "linf",
        step_size: float = 1.0,
        iterations: int = 5,
        noise: float = 1.0,
        aim: Literal["away", "target"] = "away",
        label: Literal["given", "model"] = "given",
        statistics: Literal["running", "batch"] = "running",
        domain: Domain = "main",
    ) -> None:
        positive(epsilon=epsilon)
        not_negative(step_size=step_size)
        at_least(0, iterations=iterations)
        fraction(noise=noise)
        one_of(("linf", "l2"), norm=norm)
        one_of(("away", "target"), aim=aim)
        one_of(("given", "model"), label=label)
        one_of(("running", "batch"), statistics=statistics)
        one_of(("main", "aux"), domain=domain)
        self.radius = epsilon / LEVELS
        self.norm = norm
        self.step_size = max(step_size, epsilon / max(iterations, 1)) / LEVELS
        self.iterations = iterations
        self.noise = noise
        self.aim = aim
        self.label = label
        self.statistics = statistics
        self.bn_domain = domain

    def unshared(self) -> str | None:
        """Steps are as long whatever the loss's scale is."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        """A view of every image."""
        if self.statistics == "running":
            ctx.model.eval()
        rows = torch.arange(len(x), device=x.device)
        if self.iterations == 0:
            return View(self._into_the_ball(self._start(x, ctx), x), rows)
        sought, at = self._sought(x, ctx), self._start(x, ctx)
        for _ in range(self.iterations):
            with torch.enable_grad():
                at = at.detach().requires_grad_()
                loss = F.cross_entropy(at_least_float32(ctx.logits(at).logits), sought)
                (gradient,) = torch.autograd.grad(loss, at)
            step = self.step_size * self._direction(gradient)
            at = self._into_the_ball(at.detach() + (step if self.aim == "away" else -step), x)
        return View(at, rows, {"loss": ctx.processes.weighted(loss.detach(), len(x))})

    def _sought(self, x: Tensor, ctx: Context) -> Tensor:
        """int64 [B], the label whose loss is to be changed."""
        if self.label == "given" and ctx.target is not None:
            label = ctx.target.argmax(dim=1)
        else:
            with torch.no_grad():
                label = ctx.logits(x).logits.argmax(dim=1)
        if self.aim == "away":
            return label
        classes = ctx.spec.num_classes
        return (label + send(ctx.draws.integers((len(x),), 1, classes), x.device)) % classes

    def _start(self, x: Tensor, ctx: Context) -> Tensor:
        """Where the search begins; outside [0, 1] too, as released."""
        if self.noise == 0:
            return x
        if self.norm == "linf":
            noise = ctx.draws.uniform(x.shape, -self.radius, self.radius, like=x)
        else:  # a ball's volume grows with the length to the power of the dimension
            length = ctx.draws.uniform((len(x), 1, 1, 1), like=x) ** (1 / x[0].numel())
            noise = self.radius * length * self._direction(ctx.draws.normal(x.shape, like=x))
        if self.noise < 1:
            noisy = send(ctx.draws.uniform((len(x),)) < self.noise, x.device)
            noise = noise * noisy.view(-1, 1, 1, 1)
        return x + noise

    def _direction(self, gradient: Tensor) -> Tensor:
        """Of a step of length 1 in this norm."""
        return gradient.sign() if self.norm == "linf" else gradient / _length(gradient)

    def _into_the_ball(self, at: Tensor, x: Tensor) -> Tensor:
        """The nearest place within the ball around x, then within [0, 1]."""
        if self.norm == "linf":
            return at.clamp((x - self.radius).clamp_min_(0), (x + self.radius).clamp_max_(1))
        change = at - x
        return (x + change * (self.radius / _length(change)).clamp_max_(1)).clamp_(0, 1)


def _length(change: Tensor) -> Tensor:
    """Of each image's change, never 0: [B, C, H, W] → [B, 1, 1, 1]."""
    length: Tensor = torch.linalg.vector_norm(change, dim=(1, 2, 3), keepdim=True)
    return length.clamp_min_(torch.finfo(length.dtype).tiny)
