"""The judge: a frozen network of another architecture that has seen neither the images nor the other's fold.

It says what is left of an image in a view without having a part in how the view was made: a network that
the augmenter worked against would be deceived, or indulged, by it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench import attack
from lpa3bench.api import Backbone, Domain, Output
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.nn.mode import kept_mode
from lpa3bench.training.network import Classifier

_BATCH = 250


class JudgeNet(Backbone):
    """A small residual network: three stages of one block, its head on mean and maximum over places.

    Widths are `width`, 2·`width` and 4·`width`, strides 1, 2 and 2, with ReLU and PyTorch's defaults
    otherwise. Any image size will do.

    Args:
        width: channels of the first stage.

    Raises:
        ValueError: `width` is below 1.
    """

    def __init__(self, *, num_classes: int, in_channels: int, width: int = 32) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width: must be >= 1, not {width}")
        self.stage1 = _Residual(in_channels, width, 1)
        self.stage2 = _Residual(width, 2 * width, 2)
        self.stage3 = _Residual(2 * width, 4 * width, 2)
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, x: Tensor) -> Output:
        first = self.stage1(x)
        second = self.stage2(first)
        third = self.stage3(second)
        pooled = torch.cat([third.mean((2, 3)), third.amax((2, 3))], dim=1)
        return Output(self.head(pooled), (first, second, third))

    def stages(self) -> list[nn.Module]:
        return [self.stage1, self.stage2, self.stage3, self.head]


class _Residual(nn.Module):
    """ReLU(BN(conv(ReLU(BN(conv x)))) + BN(conv₁ₓ₁ x))."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.short = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        body = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(body + self.bn3(self.short(x)))


class Seen(NamedTuple):
    """What a frozen network sees in images and in views of them, on the CPU."""

    before: Tensor
    """float32 [N, K], log-probabilities for the images."""
    after: Tensor
    """float32 [N, K], for the views."""
    distance: Tensor
    """float32 [N], ‖φ(x') − φ(x)‖ on its features (paper, equation 3)."""

    def drop(self, label: Tensor, after: Tensor) -> Tensor:
        """By how much the label's log-probability falls: float32 [N]; `after`: the view's own label."""
        return _of(self.before, label) - _of(self.after, after)

    def confidence_drop(self, label: Tensor, after: Tensor) -> Tensor:
        """By how much its probability falls: float32 [N]."""
        return _of(self.before, label).exp() - _of(self.after, after).exp()


def _of(logp: Tensor, label: Tensor) -> Tensor:
    return logp.gather(1, label.unsqueeze(1)).squeeze(1)


def look(net: Classifier, x: Tensor, view: Tensor, domain: Domain = "main") -> Seen:
    """What the network, in eval mode, sees in images and in their views: [N, C, H, W] each, in [0, 1]."""
    before, after, apart = [], [], []
    with kept_mode(net), torch.no_grad(), bn_domain(net, domain):
        net.eval()
        for image, seen in zip(torch.split(x, _BATCH), torch.split(view, _BATCH), strict=True):
            plain, viewed = net(image), net(seen)
            before.append(F.log_softmax(plain.logits.float(), 1))
            after.append(F.log_softmax(viewed.logits.float(), 1))
            apart.append(attack.distance(viewed.features, attack.unit(plain.features)))
    return Seen(torch.cat(before).cpu(), torch.cat(after).cpu(), torch.cat(apart).float().cpu())


def recognised(net: Classifier, x: Tensor, view: Tensor) -> Tensor:
    """bool [N], on the CPU: whether of all N images the one that a view was made of is nearest to it, by φ of
    the network's last feature map. Takes N² distances."""
    with kept_mode(net), torch.no_grad():
        net.eval()
        images, views = (
            torch.cat(
                [attack.unit(net(part).features[-1:])[0].flatten(1) for part in torch.split(all_of, _BATCH)]
            )
            for all_of in (x, view)
        )
    return _nearest(views, images).cpu()


def _nearest(views: Tensor, images: Tensor) -> Tensor:
    """bool [N]: whether no other row of `images` is as near to a row of `views` as the one of its place."""
    found = []
    for start in range(0, len(views), _BATCH):
        gaps = torch.cdist(views[start : start + _BATCH], images, compute_mode="donot_use_mm_for_euclid_dist")
        places = torch.arange(len(gaps), device=gaps.device)
        own = gaps[places, start + places].clone()
        gaps[places, start + places] = torch.inf
        found.append(own < gaps.amin(1))
    return torch.cat(found)
