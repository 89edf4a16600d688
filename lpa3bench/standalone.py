"""LP-A3 outside the suite: one function for any network in anybody's own training loop."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lpa3bench import attack
from lpa3bench.api import Output
from lpa3bench.nn.batchnorm import frozen_statistics
from lpa3bench.nn.freeze import frozen
from lpa3bench.nn.hooks import watched


def lpa3(
    model: nn.Module,
    x: Tensor,
    y: Tensor | None = None,
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
    layers: Sequence[str] | None = None,
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
        y: int64 [B], the labels to preserve; None: what the model predicts.
        mean, std: the normalisation that the model was trained with, one number or one per channel. The
            search works in these units.
        margin, step_size, iterations, lam, temperature, start, probe, floor: see `attack.Options`.
        layers: names of the modules (as in `model.named_modules()`) whose outputs are the features; each must
            give [B, C, H, W]. None: a model that returns features itself (`Output`) is taken at its word;
            of any other, a convolutional network, the last module output [B, C, H, W] at each resolution is
            taken, global pooling excepted. Name the layers of a transformer.
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
    # A list of them all: an auxiliary BatchNorm, which `frozen_statistics` lets run, stands still here too.
    norms = nn.ModuleList(module for module in model.modules() if isinstance(module, _BatchNorm))
    with torch.inference_mode(False), torch.no_grad(), frozen(model), frozen_statistics(norms):
        image = x.detach().clone() if x.is_inference() else x.detach()
        image = image.to(torch.promote_types(x.dtype, torch.float32))
        centre = _per_channel("mean", mean, image)
        scale = _per_channel("std", std, image)
        if not bool((scale > 0).all()):
            raise ValueError(f"std: must be > 0, not {std}")
        network = _Network(model, layers, x.dtype, (centre, scale) if normalises else None)
        z = (image - centre) / scale
        output = network(z)
        reference = attack.make_reference(output, _check_labels(y, output.logits), options.temperature)
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
        raise ValueError(f"{name}: must be one finite number or one per channel ({x.shape[1]}), not {value}")
    return tensor.expand(x.shape[1]).reshape(-1, 1, 1)


def _check_labels(y: Tensor | None, logits: Tensor) -> Tensor | None:
    """Refuse labels that these logits have no place for."""
    if y is None:
        return None
    if y.dtype != torch.int64 or y.shape != logits.shape[:1]:
        raise ValueError(f"y: must be int64 [{len(logits)}], not {y.dtype} {list(y.shape)}")
    low, high = (int(v) for v in y.aminmax())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(f"y: must be in 0 … {logits.shape[1] - 1}, but reaches from {low} to {high}")
    return y


def _check_finite(reference: attack.Reference) -> None:
    """Refuse a model that is broken at x already. Reads one number per layer off the device."""
    if not bool(reference.logp.isfinite().all()):
        raise ValueError(
            "model: the log-probability of a label is not finite at x; its logits hold NaN or infinity"
        )
    if not all(bool(phi.isfinite().all()) for phi in reference.phi):
        raise ValueError("layers: a feature map of x holds NaN or infinity")


# ----------------------------------------------------------------------------------------- features by hooks
_LAST = -1


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
        layers: Sequence[str] | str | None,
        dtype: torch.dtype,
        normalisation: tuple[Tensor, Tensor] | None,
    ) -> None:
        self._model = model
        self._dtype = dtype
        self._normalisation = normalisation
        # Under the names that they had before the model, or a part of it, was compiled.
        self._modules = {name.replace("_orig_mod.", ""): module for name, module in model.named_modules()}
        self._taps: list[tuple[str, int]] | None = None
        """What is read: a module's name and which of its calls in a forward pass."""
        self._own = False
        """Whether the model hands out features itself."""
        if layers is not None:
            names = [layers] if isinstance(layers, str) else list(layers)
            self._taps = [(self._known(name), _LAST) for name in names]
            if not names:
                raise ValueError("layers: must name at least one module; None chooses them")

    def __call__(self, z: Tensor) -> Output:
        if self._normalisation is not None:
            mean, std = self._normalisation
            z = torch.addcmul(mean, z, std)
        image = z.to(self._dtype)
        if self._own:
            return self._model(image)  # type: ignore[no-any-return]
        if self._taps is None:
            return self._first_call(image)
        outputs: dict[tuple[str, int], Any] = {}

        def saw(name: str, call: int, output: Any) -> None:
            outputs[name, call] = outputs[name, _LAST] = output

        with watched({name: self._modules[name] for name, _ in self._taps}, saw):
            raw = self._model(image)
        features = tuple(_feature_map(name, outputs.get((name, call))) for name, call in self._taps)
        return Output(_logits(raw, image), features)

    def _first_call(self, image: Tensor) -> Output:
        """The model's own features where it returns some, else the last output at each resolution."""
        last: dict[torch.Size, tuple[str, int, Tensor]] = {}

        def saw(name: str, call: int, output: Any) -> None:
            if not isinstance(output, Tensor) or output.dim() != 4 or output.shape[1:] == image.shape[1:]:
                return
            # What a layer without parts gives at 1×1 is a pooled mean or a gate; a stage's output is a map.
            if output.shape[2:] != (1, 1) or any(True for _ in self._modules[name].children()):
                last[output.shape[2:]] = (name, call, output)

        with watched(self._modules, saw):
            raw = self._model(image)
        if isinstance(raw, Output) and raw.features:
            self._own = True
            return raw
        if not last:
            raise ValueError("layers: no module gives feature maps [B, C, H, W]; name those to read")
        self._taps = [(name, call) for name, call, _ in last.values()]
        return Output(_logits(raw, image), tuple(output for _, _, output in last.values()))

    def _known(self, name: str) -> str:
        """The name itself, if a module has it."""
        if name not in self._modules:
            near = get_close_matches(name, self._modules, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(near)}" if near else "; see model.named_modules()"
            raise ValueError(f"layers: the model has no module {name!r}{hint}")
        return name


def _feature_map(name: str, output: Any) -> Tensor:
    """What a named module returned, if it is a feature map."""
    if output is None:
        raise ValueError(f"layers: the forward pass did not reach {name!r}")
    if not isinstance(output, Tensor) or output.dim() != 4:
        what = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"layers: {name!r} gives {what}, not a feature map [B, C, H, W]")
    return output


def _logits(raw: Any, image: Tensor) -> Tensor:
    """The logits in what a model returned."""
    found = getattr(raw, "logits", raw)
    if isinstance(found, (tuple, list)) and found:
        found = found[0]
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(image):
        what = list(found.shape) if isinstance(found, Tensor) else type(raw).__name__
        raise ValueError(f"model: must return logits [{len(image)}, K], not {what}")
    return found
