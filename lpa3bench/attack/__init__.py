"""LP-A3's search: for each image, a perturbation that changes what the network sees but not what it says.

The distance between the network's own features of x and x' is maximised while the log-probability of the
label must not fall by more than a margin (paper, section 5.1). The solver is the released one, "Fast
Lagrangian" steps whose length is measured in log-probability. Everything here is a pure function of tensors
in *normalised* units: z = (x − mean)/std is the image and δ the perturbation, so that x' = x + δ·std. The
network is any function `forward(z) -> Output`; gradients are taken with respect to δ alone, nothing waits
for the device, and mixed precision inside `forward` is fine, as soft-max and norms are at least float32.

Where paper and released code disagree:

* Equations 4 and 5 minimise the distance; text, equation 2 and code maximise it, and so does this.
* The code has one number for the hinge's margin and the first step's length; here they are two options.
* The schedules, the probe and the constants below stand only in the code. There is no projection onto the
  constraint at the end and no choice of a best iterate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.attack.features import apart_and_numbers, pixel_pulls, pixels_apart, pulls
from lpa3bench.attack.features import distance as distance
from lpa3bench.attack.features import unit as unit
from lpa3bench.ops import at_least_float32
from lpa3bench.types import Output

Forward = Callable[[Tensor], Output]
"""Logits and features of a normalised batch."""

GRADIENT_EPSILON = 1e-8
"""Added to the norm of an image's gradient."""
LIMIT_SHARE = 1e-3
"""An image is at its limit where it can go less than this share of the other way."""
DISTANCES = ("features", "pixels")
SCALINGS = 16
"""How often a perturbation that the limits have cut is made longer again."""
TRUST = 10
"""A slope that was measured over some length, without a probe, is good for steps of so many times that."""
DECADE = 0.1
"""The steps shrink, and the multiplier grows, towards this factor over the iterations."""


# ------------------------------------------------------------------------------------------------- options
class Pace(NamedTuple):
    """What changes from one iteration to the next."""

    budget: float
    """Wanted change of the label's log-probability."""
    lam: float
    """Multiplier of the hinge."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to search.

    Raises:
        ValueError: a value is out of range; the message opens with its name.
    """

    margin: float = 0.02
    """σ, by how much the label's log-probability may fall; infinity: by any amount."""
    step_size: float | None = None
    """Scale of the steps, in log-probability; None: the margin, as released."""
    iterations: int = 5
    """K; 0: the start noise is all there is."""
    lam: float = 1.0
    """λ, the multiplier that the hinge's weight grows towards."""
    temperature: float = 1.0
    """T of the soft-max."""
    start: float = 0.01
    """The search starts from noise drawn uniformly from −start to start, in normalised units."""
    probe: float | None = 0.1
    """How far the finite difference that sets the step's length looks ahead, in normalised units; None: it
    makes no pass for that, and the slope is the mean one from the image to where the search stands."""
    floor: float = 1e-4
    """Added to the measured slope: no step is longer than budget/floor. Part of the method: for a confident
    image the slope is near zero, and only this and the pixel box bound the step."""
    distance: Literal["features", "pixels"] = "features"
    """What is to grow: the distance in the network's features (paper, equation 3); or, a control, the root
    mean square of δ in normalised units, so that the label's log-probability alone asks the network."""

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise ValueError(f"distance: must be 'features' or 'pixels', not {self.distance!r}")
        for name in ("margin", "iterations", "lam", "start"):
            if not getattr(self, name) >= 0:  # NaN fails every comparison
                raise ValueError(f"{name}: must be >= 0, not {getattr(self, name)}")
        for name in ("temperature", "probe", "floor"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name}: must be > 0, not {getattr(self, name)}")
        if self.step_size is None and not 0 < self.margin < math.inf:
            raise ValueError(f"margin: must be > 0 and finite where step_size is None, not {self.margin}")
        if self.step_size is not None and not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size: must be > 0 and finite, not {self.step_size}")

    def schedule(self) -> list[Pace]:
        """The pace of each iteration.

        The budget falls from `step_size`, never quite to a tenth of it; the multiplier rises from λ/10, never
        quite to λ.
        """
        size = self.margin if self.step_size is None else self.step_size
        shares = [k / self.iterations for k in range(self.iterations)]
        return [Pace(size * DECADE**share, self.lam * DECADE ** (1 - share)) for share in shares]


class Limits(NamedTuple):
    """Of a perturbation."""

    lower: Tensor
    """[B, C, H, W]"""
    upper: Tensor
    """[B, C, H, W]"""

    def clamp(self, delta: Tensor) -> Tensor:
        """The perturbation nearest to δ, [B, C, H, W], that lies within."""
        return delta.clamp(self.lower, self.upper)


class Box(NamedTuple):
    """The image range [0, 1] in normalised units."""

    lower: Tensor
    """[C, 1, 1]"""
    upper: Tensor
    """[C, 1, 1]"""

    @classmethod
    def of(cls, mean: Tensor, std: Tensor) -> Box:
        """From the normalisation, [C, 1, 1] each."""
        return cls((0 - mean) / std, (1 - mean) / std)

    def clamp(self, delta: Tensor, z: Tensor) -> Tensor:
        """The perturbation nearest to δ that keeps z + δ an image; [B, C, H, W] all."""
        return self.around(z).clamp(delta)

    def around(self, z: Tensor) -> Limits:
        """Between which δ keeps z + δ an image; z: [B, C, H, W]."""
        return Limits(self.lower - z, self.upper - z)


# ------------------------------------------------------------------------------------------- the reference
def label_logp(logits: Tensor, label: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of the label: logits [B, K], label int64 [B] → [B], at least float32.

    The released code takes the log of a soft-max, which is −∞ where the probability underflows; this is not.
    """
    wide = at_least_float32(logits)
    if temperature != 1:  # a division by one is an operation more, and changes no bit
        wide = wide / temperature
    return -F.cross_entropy(wide, label, reduction="none")


class Reference(NamedTuple):
    """What the search compares with: the network's view of the images as they are. Constants."""

    label: Tensor
    """int64 [B]"""
    logp: Tensor
    """[B], log-probability of the label."""
    phi: tuple[Tensor, ...]
    """`unit` of the features; where the distance is one in pixels the normalised images."""

    def rows(self, rows: Tensor) -> Reference:
        """That of some images. rows: int64 [M]."""
        return Reference(self.label[rows], self.logp[rows], tuple(layer[rows] for layer in self.phi))


def make_reference(
    output: Output,
    label: Tensor | None = None,
    temperature: float = 1.0,
    *,
    images: Tensor | None = None,
) -> Reference:
    """The reference for images whose output (on the images as they are) this is.

    Args:
        output: of the whole batch; with BatchNorm on batch statistics those of the whole batch belong to it,
            even where the search goes on with some of its rows.
        label: int64 [B]; None: the arg max (the first on ties), as released. The paper (section 5.2) takes
            the true label where there is one.
        temperature: T of the soft-max.
        images: [B, C, H, W], normalised, where the distance is one in pixels.

    Raises:
        ValueError: the network hands out no features, so there is nothing to measure a distance by.
    """
    if images is None and not output.features:
        raise ValueError("output: has no features; LP-A3 needs a network that returns feature maps")
    logits = output.logits.detach()
    label = logits.argmax(dim=1) if label is None else label
    phi = unit([feature.detach() for feature in output.features]) if images is None else (images,)
    return Reference(label, label_logp(logits, label, temperature), phi)


# -------------------------------------------------------------------------------------------------- search
class Iteration(NamedTuple):
    """One iteration: its state before the update, per image [B] if not said otherwise, and δ after it."""

    delta: Tensor
    """[B, C, H, W], after the update and the clamp."""
    distance: Tensor
    logp: Tensor
    gap: Tensor
    """How far the log-probability has fallen."""
    hinge: Tensor
    """How far it has fallen beyond the margin."""
    grad_norm: Tensor
    probe_logp: Tensor | None
    """None without a probe."""
    rate: Tensor
    """|change of the log-probability| per unit of length, towards the probe; without one, from the image."""
    step_length: Tensor
    """L2 length of the step, before the clamp."""
    lam: float
    share: float

    @property
    def loss(self) -> Tensor:
        """0-d, what the gradient was taken of."""
        return self.share * (self.lam * self.hinge.mean() - self.distance.mean())


def iterate(
    forward: Forward,
    z: Tensor,
    delta: Tensor,
    reference: Reference,
    pace: Pace,
    *,
    limits: Limits,
    options: Options,
    share: float = 1.0,
) -> Iteration:
    """One iteration of the search.

    Args:
        forward: the network; it is called once with gradient, then for the probe if there is one. Its
            parameters are not touched.
        z: [B, C, H, W], the normalised images.
        delta: [B, C, H, W], where the search stands.
        reference: of the same B images.
        pace: this iteration's entry of `options.schedule()`.
        limits: of δ, `Box.around(z)`.
        options: the rest.
        share: these images' share of all that are searched at once (by other processes); the loss is a mean
            over all of them, and its scale counts beside `GRADIENT_EPSILON`.
    """
    in_pixels = options.distance == "pixels"
    apart, pull_of = (pixels_apart, pixel_pulls) if in_pixels else (apart_and_numbers, pulls)
    with torch.enable_grad():
        delta = delta.detach().requires_grad_()
        moved = z + delta
        output = forward(moved)
        logp = label_logp(output.logits, reference.label, options.temperature)
    maps = (moved,) if in_pixels else output.features
    # The gradient of the loss to the network's outputs is written out; autograd goes on from there.
    with torch.no_grad():
        gap = reference.logp - logp
        hinge = (gap - options.margin).relu()
        squared, numbers = apart(maps, reference.phi)
        differs = squared > 0
        root = torch.where(differs, squared, 1).sqrt_()
        each = torch.full_like(gap, -share)
        to_logp = torch.where(hinge > 0, (each * pace.lam).div_(len(z)), 0)
        to_squared = torch.where(differs, each.div_(len(z)).div_(root), 0)
        to_maps = pull_of(maps, reference.phi, numbers, to_squared)
    pulled = zip((logp, *maps), (to_logp, *to_maps), strict=True)
    ends, pulling = zip(*((end, pull) for end, pull in pulled if end.requires_grad), strict=True)
    (gradient,) = torch.autograd.grad(ends, delta, pulling)
    del (
        output,
        moved,
        maps,
        to_maps,
        numbers,
        pulled,
        ends,
        pulling,
    )  # its maps need not outlive the backward pass
    with torch.no_grad():
        grad_norm = torch.linalg.vector_norm(gradient, dim=(1, 2, 3))
        direction = gradient / (grad_norm + GRADIENT_EPSILON).view(-1, 1, 1, 1)
        if options.probe is None:
            length = torch.linalg.vector_norm(delta, dim=(1, 2, 3))
            probe_logp, rate = None, gap.abs() / length.clamp_min(torch.finfo(length.dtype).tiny)
            step_length = torch.minimum(pace.budget / (rate + options.floor), TRUST * length)
        else:
            probed = forward(z + delta - options.probe * direction).logits
            probe_logp = label_logp(probed, reference.label, options.temperature)
            rate = (logp - probe_logp).abs() / options.probe
            step_length = pace.budget / (rate + options.floor)
        stepped = delta - step_length.view(-1, 1, 1, 1).to(delta.dtype) * direction
        return Iteration(
            delta=limits.clamp(stepped),
            distance=torch.where(differs, root, 0),
            logp=logp.detach(),
            gap=gap,
            hinge=hinge,
            grad_norm=grad_norm,
            probe_logp=probe_logp,
            rate=rate,
            step_length=step_length,
            lam=pace.lam,
            share=share,
        )


def begin(noise: Tensor, z: Tensor, box: Box) -> Tensor:
    """The first δ: start noise [B, C, H, W], kept within the box and laid out in memory as z is."""
    return box.clamp(torch.empty_like(z).copy_(noise), z)


def trace(
    forward: Forward,
    z: Tensor,
    delta: Tensor,
    reference: Reference,
    *,
    box: Box,
    options: Options,
    share: float = 1.0,
) -> Iterator[Iteration]:
    """The iterations of the search from δ on, one by one. Arguments as for `iterate`; box: clamps z + δ."""
    limits = box.around(z)
    for pace in options.schedule():
        iteration = iterate(forward, z, delta, reference, pace, limits=limits, options=options, share=share)
        delta = iteration.delta
        yield iteration


def search(
    forward: Forward,
    z: Tensor,
    noise: Tensor,
    reference: Reference,
    *,
    box: Box,
    options: Options,
    share: float = 1.0,
) -> tuple[Tensor, Iteration | None]:
    """The whole search.

    Args:
        forward: the network, called 2K times, K times without a probe.
        z: [B, C, H, W], the normalised images.
        noise: [B, C, H, W], where to start: uniform in −start … start, drawn by the caller.
        reference: of the same B images.
        box: clamps z + δ.
        options: how to search.
        share: see `iterate`.

    Returns:
        δ [B, C, H, W], and the last iteration (None where there are none).
    """
    delta, last = begin(noise, z, box), None
    for last in trace(forward, z, delta, reference, box=box, options=options, share=share):
        delta = last.delta
    return delta, last


def redirected(delta: Tensor, direction: Tensor, limits: Limits) -> Tensor:
    """A perturbation of another direction, for each image as long as δ: [B, C, H, W] all.

    Where a value cannot go that way because the image is at its limit there, it goes the other way; what the
    limits cut off all the same is made up for by the other values, up to a rest.
    """
    length = torch.linalg.vector_norm(delta, dim=(1, 2, 3), keepdim=True)
    room = torch.where(direction > 0, limits.upper, -limits.lower)
    other = torch.where(direction > 0, -limits.lower, limits.upper)
    turned = torch.where(room < other * LIMIT_SHARE, -direction, direction)
    for _ in range(SCALINGS):
        now = torch.linalg.vector_norm(turned, dim=(1, 2, 3), keepdim=True)
        turned = limits.clamp(turned * (length / now.clamp_min(torch.finfo(now.dtype).tiny)))
    return turned


def perturbed(x: Tensor, delta: Tensor, std: Tensor) -> Tensor:
    """x' = x + δ·std, an image in [0, 1]. x, delta: [B, C, H, W]; std: [C, 1, 1]."""
    return torch.addcmul(x, delta, std).clamp_(0, 1)
