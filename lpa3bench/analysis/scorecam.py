"""Score-CAM (Wang et al., CVPR 2020 workshops) of a trained network, by torchcam.

torchcam finds the maps and adds them up; the weights are ours, because two formulas are about and torchcam's
is neither to the letter:

"repo", the authors' own code: α_k = P_c(z·H_k), a probability, without baseline or soft-max over channels;
    the map is ReLU(Σ α_k U(A_k)).
"paper", their equations: α = soft-max over channels of F_c(z·H_k) − F_c(z_b), logits, where the baseline z_b
    cancels; the map is U(ReLU(Σ α_k A_k)).

H_k is the map A_k, upsampled bilinearly to the input's size (U) and then brought to [0, 1] by its own
minimum and maximum; a constant map is left out. torchcam's `ScoreCAM` is the paper's formula but that it
scales before it upsamples, so that its masks need not reach 1, adds 1e-8 to the divisor, and lets constant
maps vote. Masks multiply the normalised input z, as in both: what is masked becomes the mean colour, not
black.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchcam.methods import ScoreCAM

from lpa3bench.errors import UsageError
from lpa3bench.nn.mode import kept_mode
from lpa3bench.ops import at_least_float32
from lpa3bench.training.network import Classifier

CamVariant = Literal["repo", "paper"]


def score_cam(
    net: Classifier,
    x: Tensor,
    labels: Tensor,
    *,
    layer: int | None = None,
    variant: CamVariant = "repo",
    batch_size: int = 256,
) -> Tensor:
    """Heat maps of what speaks for a class, by the network's main BatchNorm in eval mode.

    One forward pass for every channel of the layer and every image, in batches.

    Args:
        net: the network.
        x: [B, C, H, W] in [0, 1].
        labels: int64 [B], the classes to explain.
        layer: which feature map, counted from 1 at the stem; None: the last.
        variant: the formula, see above.
        batch_size: masked images per forward pass.

    Returns:
        [B, H, W] in [0, 1]; all 0 where nothing speaks for the class.

    Raises:
        UsageError: the network has no such layer.
    """
    watched = _Watched(net, layer)
    with torch.no_grad(), kept_mode(net), _Extractor(watched, variant, batch_size) as extractor:
        net.eval()
        z = net.normalise(x)
        watched(z)
        (cam,) = extractor(labels.tolist(), normalized=False)
        if variant == "repo":
            heat = functional.relu(_upsampled(cam.unsqueeze(1), z))
        else:
            heat = _upsampled(functional.relu(cam).unsqueeze(1), z)
    scaled, varies = _scaled(heat)
    return torch.where(varies, scaled, torch.zeros_like(scaled)).squeeze(1)


def _upsampled(maps: Tensor, like: Tensor) -> Tensor:
    """[B, K, h, w] to the height and width of `like`."""
    return functional.interpolate(maps, like.shape[-2:], mode="bilinear", align_corners=False)


def _scaled(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Maps [B, K, H, W] brought to [0, 1] each, and which of them are not constant: bool [B, K, 1, 1]."""
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    varies = high > low
    return (maps - low) / torch.where(varies, high - low, torch.ones_like(high)), varies


class _Watched(nn.Module):
    """The network as torchcam wants it: logits out, and a module whose output is the feature map."""

    def __init__(self, net: Classifier, layer: int | None) -> None:
        super().__init__()
        self.net = net
        self.place = -1 if layer is None else layer - 1
        self.layer = layer
        self.map = nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """Logits [B, K] of a normalised batch."""
        output = self.net.from_normalised(z)
        count = len(output.features)
        if not -1 <= self.place < count or count == 0:
            raise UsageError(f"--layer {self.layer}: the network has feature maps 1 … {count}")
        feature = output.features[self.place]
        if feature.shape[3] == 1 < feature.shape[2]:
            raise UsageError("Score-CAM needs maps, and this network's features are tokens without a place")
        self.map(feature)
        return at_least_float32(output.logits)


class _Extractor(ScoreCAM):  # type: ignore[misc, unused-ignore]  # torchcam may come without types
    """torchcam's hooks and sum with the weights of one of the two formulas."""

    def __init__(self, model: _Watched, variant: CamVariant, batch_size: int) -> None:
        super().__init__(model, "map", batch_size=batch_size)
        self._relu = False  # the two formulas take it at different places
        self._variant = variant

    def _get_weights(self, class_idx: Any, *_: Any, **__: Any) -> list[Tensor]:
        """[B, K], for each layer: there is one."""
        (activation,) = self.hook_a
        masks, varies = _scaled(_upsampled(activation, self._input))
        self.disable_hooks()  # the map and the input are those of the whole image, not of a masked one
        scored = zip(self._input, masks, class_idx, strict=True)
        scores = torch.stack([self._scores(image, own, label) for image, own, label in scored])
        counted = varies.flatten(1)
        if self._variant == "repo":
            return [torch.where(counted, scores, torch.zeros_like(scores))]
        weights = scores.masked_fill(~counted, -torch.inf).softmax(1)
        return [weights.nan_to_num(0.0)]  # where every map is constant

    def _scores(self, image: Tensor, masks: Tensor, label: int) -> Tensor:
        """How each masked input scores for the class: [K]. image: [C, H, W], masks: [K, H, W]."""
        parts = []
        for some in torch.split(masks, self.bs):
            logits = self.model(image.unsqueeze(0) * some.unsqueeze(1))
            parts.append((logits.softmax(1) if self._variant == "repo" else logits)[:, label])
        return torch.cat(parts)
