"""Views of whole batches by torchvision v2 and by kornia: like ours in shape, other in what they draw.

torchvision v2 draws once for a batch: all images are flipped or none, all are cropped at one place, and all
get the same two operators at the same magnitude. kornia draws flips, crops and magnitudes image by image, but
which operators once for a batch. Neither is FixMatch's distribution, and both do less for a small batch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import v2

Finished = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From bytes [B, C, H, W] to a batch of weak and one of strong views, float32 and normalised."""


def torchvision_v2(side: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Finished:
    weak = v2.Compose(
        [v2.RandomHorizontalFlip(), v2.RandomCrop(side, padding=side // 8, padding_mode="reflect")]
    )
    strong = v2.Compose(
        [v2.RandAugment(2), v2.RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1), value=127)]
    )
    finished = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))])
    return lambda images: (finished(weak(images)), finished(strong(weak(images))))


def kornia(side: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Finished | None:
    """None where it isn't installed."""
    if importlib.util.find_spec("kornia") is None:
        return None
    import kornia.augmentation as K
    from kornia.augmentation.auto.rand_augment.rand_augment import RandAugment, default_policy

    crop = K.RandomCrop((side, side), padding=side // 8, padding_mode="reflect")
    weak = K.AugmentationSequential(K.RandomHorizontalFlip(p=0.5), crop)
    box = K.RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1), value=127 / 255)
    # One channel has no colours, and kornia then refuses to change them.
    policy = [each for each in default_policy if len(mean) == 3 or each[0][0] != "color"]
    strong = torch.nn.Sequential(RandAugment(n=2, m=9, policy=policy), box)
    normalise = K.Normalize(torch.tensor(mean), torch.tensor(std))

    def made(images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.float().div_(255)
        return normalise(weak(x)), normalise(strong(weak(x)))

    return made
