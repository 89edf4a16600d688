"""LP-A3 outside the suite: one function for any network in anybody's own training loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench import attack
from lpa3bench.api import Output
from lpa3bench.nn.batchnorm import still
from lpa3bench.nn.feature_layers import LayerNames, pick, read, uncompiled, watched_pass
from lpa3bench.nn.freeze import frozen
from lpa3bench.nn.layouts import FeatureLayer

SLACK = 1e-2
"""How far the sum of a row of probabilities may be from 1: half precision leaves 1e-3 with ten classes."""


def lpa3(
    model: nn.Module,
    x: Tensor,
    y: Any = None,
    *,
    mean: float | Sequence[float] | Tensor,
    std: float | Sequence[float] | Tensor,
    margin: float = 0.02,
    step_size: float | None = None,
    iterations: int = 5,
    lam: float = 1.0,
    temperature: float = 1.0,
    start: float = 0.01,
    probe: float = 0.1,
    floor: float = 1e-4,
    layers: LayerNames | None = None,
    normalises: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images that the model sees as different as it can, while it still gives them the same label.

    The model is left as it was: parameters, their gradients and flags, train or eval mode, BatchNorm's
    running statistics. It is called 2·iterations + 1 times, in the mode that it is in; in train mode its
    BatchNorm works on the statistics of this batch, so call it on whole batches, and drop-out draws from
    torch's global generator as ever. Works in any gradient mode, and under autocast.

        for x, y in loader:
            loss = cross_entropy(model(normalise(x)), y)
            x_lpa3 = lpa3(model, x, y, mean=MEAN, std=STD)
            loss = loss + cross_entropy(model(normalise(x_lpa3)), y)

    Args:
        model: any network that takes [B, C, H, W] and returns logits [B, K], alone, first in a tuple, or as
            the attribute `logits`.
        x: [B, C, H, W] float, in [0, 1].
        y: the labels to preserve: class numbers [B] of any whole type, or one-hot or soft labels [B, K], of
            which the class that they favour counts (the first on ties); tensor, NumPy array or list. None:
            what the model predicts.
        mean, std: the normalisation that the model was trained with, for images in [0, 1], one number or one
            per channel. The search works in these units.
        margin, step_size, iterations, lam, temperature, start, probe, floor: see `attack.Options`.
        layers: names of the modules (as in `model.named_modules()`) whose outputs are the features: maps
            [B, C, H, W] or [B, H, W, C], or tokens [B, N, D]; {name: "BCHW" or "BHWC"} where a shape does not
            tell which. None: a model that returns features itself (`Output`) is taken at its word; of any
            other those that `feature_layers(model, x)` shows, or a refusal.
        normalises: whether the model takes x itself and normalises inside, rather than (x − mean)/std.
        generator: where the start noise is drawn; None: torch's global generator.

    Returns:
        x' [B, C, H, W] in [0, 1], detached, in x's dtype. An image at whose perturbations the model's output
        is not finite comes back as it was.

    Raises:
        ValueError: an argument is of the wrong shape or out of range, a layer is unknown, is not reached or
            gives no feature map, or what the model makes of x is not finite; the message opens with the
            argument's name.
    """
    options = attack.Options(
        margin=margin,
        step_size=step_size,
        iterations=iterations,
        lam=lam,
        temperature=temperature,
        start=start,
        probe=probe,
        floor=floor,
    )
    _check_images(x)
    with torch.inference_mode(False), torch.no_grad(), frozen(model), still(model):
        image = x.detach().clone() if x.is_inference() else x.detach()
        image = image.to(torch.promote_types(x.dtype, torch.float32))
        centre = _per_channel("mean", mean, image)
        scale = _per_channel("std", std, image)
        if not bool(((centre >= 0) & (centre <= 1)).all()):
            raise ValueError(f"mean: must be in [0, 1], as x is, not {mean}; divide those of bytes by 255")
        if not bool(((scale > 0) & (scale <= 1)).all()):
            raise ValueError(f"std: must be in (0, 1], as of x, not {std}; divide those of bytes by 255")
        network = _Network(model, layers, x.dtype, (centre, scale) if normalises else None)
        z = (image - centre) / scale
        output = network(z)
        reference = attack.make_reference(output, _labels(y, output.logits), options.temperature)
        _check_finite(reference)
        noise = torch.empty(z.shape, dtype=z.dtype, device=z.device)
        noise.uniform_(-start, start, generator=generator)
        box = attack.Box.of(centre, scale)
        delta, _ = attack.search(network, z, noise, reference, box=box, options=options)
        found = attack.perturbed(image, delta, scale)
        whole = found.isfinite().flatten(1).all(dim=1).view(-1, 1, 1, 1)
        return torch.where(whole, found, image).to(x.dtype)


# ------------------------------------------------------------------------------------------------ arguments
def _check_images(x: Tensor) -> None:
    """Refuse what is no batch of images in [0, 1]. Reads two numbers off the device."""
    if not isinstance(x, Tensor):
        raise ValueError(f"x: must be a tensor [B, C, H, W], not {type(x).__name__}")
    if x.dim() != 4 or x.numel() == 0:
        raise ValueError(f"x: must be images [B, C, H, W], not {list(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"x: must be float in [0, 1], not {x.dtype}; divide bytes by 255")
    low, high = (float(v) for v in x.detach().aminmax())
    if not (low >= 0 and high <= 1):  # NaN fails both comparisons
        raise ValueError(
            f"x: must be finite and in [0, 1], but reaches from {low:.4g} to {high:.4g}; "
            "hand in the images as they are before normalisation"
        )


def _per_channel(name: str, value: float | Sequence[float] | Tensor, x: Tensor) -> Tensor:
    """Mean or std as [C, 1, 1], like x."""
    tensor = torch.as_tensor(value, dtype=x.dtype, device=x.device).flatten()
    if tensor.numel() not in (1, x.shape[1]) or not bool(tensor.isfinite().all()):
        last = "; of images [B, H, W, C] hand in x.permute(0, 3, 1, 2)" * (tensor.numel() == x.shape[3])
        what = f"one finite number or one per channel ({x.shape[1]})"
        raise ValueError(f"{name}: must be {what}, not {value}{last}")
    return tensor.expand(x.shape[1]).reshape(-1, 1, 1)


def _labels(y: Any, logits: Tensor) -> Tensor | None:
    """Labels as int64 [B]: class numbers, or the classes that one-hot or soft labels favour."""
    if y is None:
        return None
    images, classes = logits.shape
    wanted = f"class numbers [{images}] or probabilities [{images}, {classes}]"
    try:
        label = torch.as_tensor(y, device=logits.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"y: must be {wanted}, not {type(y).__name__} ({error})") from error
    whole = not (label.is_floating_point() or label.is_complex() or label.dtype == torch.bool)
    if whole and label.shape in ((images,), (images, 1)):
        label = label.flatten().long()
        low, high = (int(v) for v in label.aminmax())
        if low < 0 or high >= classes:
            raise ValueError(f"y: must be in 0 … {classes - 1}, but reaches from {low} to {high}")
        return label
    if label.shape == logits.shape and not label.is_complex():
        shares = label.double()
        if not bool(((shares >= 0).all(1) & ((shares.sum(1) - 1).abs() < SLACK)).all()):
            raise ValueError(
                "y: has rows that are no probabilities (≥ 0, sum 1); hand in the class to preserve, as "
                "y.argmax(1); of several true classes one"
            )
        return shares.argmax(1)
    remedy = "; as class numbers: y.long()" if label.shape == (images,) else ""
    raise ValueError(f"y: must be {wanted}, not {label.dtype} {list(label.shape)}{remedy}")


def _check_finite(reference: attack.Reference) -> None:
    """Refuse a model that is broken at x already. Reads one number per layer off the device."""
    if not bool(reference.logp.isfinite().all()):
        raise ValueError(
            "model: the log-probability of a label is not finite at x; its logits hold NaN or infinity"
        )
    if not all(bool(phi.isfinite().all()) for phi in reference.phi):
        raise ValueError("layers: a feature map of x holds NaN or infinity")


# ------------------------------------------------------------------------------------------------ the network
class _Network:
    """Any model as `forward(z) -> Output`, its features read by hooks that live for one call each.

    Args:
        model: the model.
        layers: the modules to read; None: chosen in the first call.
        dtype: in which the model takes its images.
        normalisation: mean and std to undo for a model that normalises by itself.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: LayerNames | None,
        dtype: torch.dtype,
        normalisation: tuple[Tensor, Tensor] | None,
    ) -> None:
        self._model = model
        self._dtype = dtype
        self._normalisation = normalisation
        self._names = layers
        self._layers: tuple[FeatureLayer, ...] | None = None
        """What is read, once that is chosen; (): the model hands out features itself."""

    def __call__(self, z: Tensor) -> Output:
        if self._normalisation is not None:
            mean, std = self._normalisation
            z = torch.addcmul(mean, z, std)
        image = z.to(self._dtype)
        if self._layers is None:
            raw, features = self._first_call(image)
        else:
            with uncompiled(self._model) if self._layers else nullcontext():
                raw, features = read(self._model, self._layers, image)
        return Output(_logits(raw, image), features or raw.features)

    def _first_call(self, image: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
        raw, seen = watched_pass(self._model, image)
        _logits(raw, image)  # a model of another kind is told before its layers are
        if self._names is None and isinstance(raw, Output) and raw.features:
            self._layers = ()
        else:
            self._layers = pick(self._model, seen, image, self._names)
        outputs = {(s.name, s.call): s.output for s in seen} | {(s.name, -1): s.output for s in seen}
        return raw, tuple(layer.map_of(outputs[layer.name, layer.call]) for layer in self._layers)


def _logits(raw: Any, image: Tensor) -> Tensor:
    """The logits in what a model returned."""
    found = getattr(raw, "logits", raw)
    if isinstance(found, (tuple, list)) and found:
        found = found[0]
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(image):
        what = list(found.shape) if isinstance(found, Tensor) else type(raw).__name__
        raise ValueError(f"model: must return logits [{len(image)}, K], not {what}")
    if found.shape[1] < 2:
        raise ValueError(
            "model: returns one logit, whose soft-max is 1 whatever it is; return those of two classes, "
            "torch.cat([torch.zeros_like(logit), logit], 1)"
        )
    return found
