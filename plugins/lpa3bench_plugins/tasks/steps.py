"""How the step of every task begins and ends: with a training view, and down the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Domain, Env, Model, ViewFunction
from lpa3bench.data.sampler import Batch

TRAIN = "train"
"""The phase of a task that has one."""


def training_view(
    env: Env,
    net: Model,
    index: Tensor,
    views: ViewFunction,
    *,
    target: Tensor | None = None,
    pass_no: int = 0,
) -> Tensor:
    """The weak view, through the augmenter in slot `view` where there is one: [B, C, H, W]."""
    x = env.weak(index)
    viewed = views("view", net, x, index=index, target=target, pass_no=pass_no)
    return x if viewed is None else viewed.x


def strong_view(env: Env, net: Model, batch: Batch, views: ViewFunction) -> tuple[Tensor, Domain]:
    """The strong view, made of a weak view of its own, which it is where the slot is empty; its BatchNorm."""
    x = env.weak(batch.index)
    viewed = views("strong", net, x, index=batch.index, target=None, pass_no=batch.pass_no)
    return (x, "main") if viewed is None else (viewed.x, viewed.domain)


def descend(
    env: Env, optimiser: torch.optim.Optimizer, loss: Tensor, logs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """One step down the loss; what a task logs of it."""
    optimiser.zero_grad()
    env.backward(loss)
    optimiser.step()
    return {"loss": loss.detach()} | {name: value.detach() for name, value in logs.items()}
