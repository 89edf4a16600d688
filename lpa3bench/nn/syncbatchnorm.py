"""BatchNorm over a batch that several processes share: its statistics are those of the whole batch.

torch's own SyncBatchNorm works on GPUs only, and is no BatchNorm2d that could have an auxiliary one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from lpa3bench.errors import ConfigError
from lpa3bench.ops import at_least_float32
from lpa3bench.runtime.distributed import Processes


class _Normalise(torch.autograd.Function):
    """(x − mean)/√(var + ε)·weight + bias with the statistics of all processes; [B, C, …].

    Returns mean [C], biased variance [C] and how many values they are of (0-d) too; these are constants. The
    gradient is that of the sum of the processes' losses.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, processes: Processes
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = at_least_float32(x)
        over = _all_but_channels(x)
        count = x.numel() // x.shape[1]
        if count:
            own_var, own_mean = torch.var_mean(wide, over, correction=0)
        else:
            own_var = own_mean = wide.new_zeros(x.shape[1])
        each = processes.stack(torch.cat((own_mean.new_full((1,), count), own_mean, own_var)))
        counts, means, variances = torch.split(each, [1, x.shape[1], x.shape[1]], dim=1)
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        var = (counts * (variances + (means - mean).square())).sum(0) / total
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale, total)
        ctx.processes, ctx.has_bias = processes, bias is not None
        out = _scaled(wide, mean, scale)
        if weight is not None:
            out = out * _along(weight, x)
        if bias is not None:
            out = out + _along(bias, x)
        ctx.mark_non_differentiable(mean, var, total)
        return out.to(x.dtype), mean, var, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale, total = ctx.saved_tensors
        over = _all_but_channels(x)
        wide, normal = at_least_float32(grad), _scaled(at_least_float32(x), mean, scale)
        plain, along = wide.sum(over), (wide * normal).sum(over)
        sums = torch.stack((plain, along))
        ctx.processes.add(sums)
        plain_mean, along_mean = (_along(part, x) for part in sums / total)
        outer = scale if weight is None else scale * weight
        of_x = (wide - plain_mean - normal * along_mean) * _along(outer, x)
        of_weight = None if weight is None else along.to(weight.dtype)
        return of_x.to(x.dtype), of_weight, plain if ctx.has_bias else None, None, None


def _all_but_channels(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _along(values: Tensor, x: Tensor) -> Tensor:
    """[C], to broadcast against x: [B, C, …]."""
    return values.view(-1, *(1 for _ in x.shape[2:]))


def _scaled(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return (x - _along(mean, x)) * _along(scale, x)


class SyncBatchNorm(_BatchNorm):
    """A BatchNorm whose batch is that of all processes. Made by `synchronise`, never constructed."""

    processes: Processes

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, …] to the same shape; B may be 0 here, if it is not 0 everywhere.

        A single value is normalised with the running statistics, which stand still.
        """
        if not self.training:
            evaluated: Tensor = super().forward(input)
            return evaluated
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        out, mean, var, total = _Normalise.apply(input, self.weight, self.bias, self.eps, self.processes)
        # Waits for the device, where the map has one place: a single value has no variance.
        if input.shape[2:].numel() == 1 and int(total) == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        if self.track_running_stats and self.running_mean is not None:
            self._follow(mean, var * (total / (total - 1)))
        normalised: Tensor = out
        return normalised

    def _follow(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics as torch does."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            newest = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
            self.running_mean.mul_(1 - newest).add_(newest * mean)
            self.running_var.mul_(1 - newest).add_(newest * var)


class SyncBatchNorm1d(SyncBatchNorm, nn.BatchNorm1d):
    """See `SyncBatchNorm`."""


class SyncBatchNorm2d(SyncBatchNorm, nn.BatchNorm2d):
    """See `SyncBatchNorm`."""


class SyncBatchNorm3d(SyncBatchNorm, nn.BatchNorm3d):
    """See `SyncBatchNorm`."""


_KINDS: dict[type, type] = {
    nn.BatchNorm1d: SyncBatchNorm1d,
    nn.BatchNorm2d: SyncBatchNorm2d,
    nn.BatchNorm3d: SyncBatchNorm3d,
}


def synchronise_batchnorm(model: nn.Module, processes: Processes) -> None:
    """Let every BatchNorm of the model work on the batch of all processes, in place; alone, change nothing.

    Keys of the state dict stay as they are. Call it before `add_auxiliary`, whose copies are then alike.

    Raises:
        ConfigError: the model has a BatchNorm of a class of its own, which may do more than normalise.
    """
    if processes.size == 1:
        return
    for layer in model.modules():
        if isinstance(layer, _BatchNorm):
            if type(layer) not in _KINDS:
                name = f"{type(model).__name__} has a {type(layer).__name__}"
                raise ConfigError(
                    f"run.backbone: {name}, which cannot be shared among processes; start it without torchrun"
                )
            layer.__class__ = _KINDS[type(layer)]
            object.__setattr__(layer, "processes", processes)
