"""A cheaper LP-A3: few images of a batch, and a search that goes on where an image's last one ended."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lpa3bench import attack
from lpa3bench.api import Context, DatasetSpec, Domain, Env, Slot, View
from lpa3bench.nn.bank import divergence_lpa3, lowest, mean_by_sample
from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.lpa3 import LPA3, nothing, seen
from lpa3bench_plugins.parameters import fraction, one_of

NEVER = -1
"""The step at which an image was last seen, before it was seen at all."""


class LPA3Fast(LPA3):
    """LP-A3's views at a fraction of its passes.

    Three things make it cheaper. The images are selected before the model is called, by what it said of them
    when they were last selected, so that it makes no pass for the others. The search starts from the
    perturbation that the image's last one ended with, and makes one iteration instead of five. And without a
    probe the length of a step goes by the slope between the image and where the search stands, which the
    passes made anyhow tell.

    Cost for each selected image, in forward passes of one image (a backward pass to the weights counts as
    two, to the image as one): 1 for the reference, 2 for each iteration, 1 more for each probe, 3 for the
    loss on the view. A supervised step is 3 for each image, so with one iteration and a share `ratio`
    selected a step takes 1 + 2·ratio times its passes without a probe, and 1 + 7/3·ratio times with one: 1.2
    and 1.23 at the default ratio, where LP-A3 with five iterations and all images takes 7.33.

    The gradient of the training pass cannot be used again where the images are trained on already: a view is
    made before the step, and no task hands over its graph.

    Args:
        margin: σ, by how much the log-probability of the label may fall.
        step_size: scale of the steps, in log-probability; None: the margin.
        iterations: K, for each visit of an image. 0: what is remembered, and start noise.
        lam: λ; the schedule of the multiplier begins at a tenth of it, and with one iteration ends there too,
            so that this default is ten times LP-A3's.
        ratio: the share of a batch that is selected.
        select: "consistency": the images whose predictions have changed most by now, if they go on changing
            as between their last two visits, those that were never selected first; "random": any.
        label: what is to be preserved, "model" or "given", as for LPA3.
        warmup_steps: until that many steps are done nothing is selected, and the model is not called.
        temperature: T of the soft-max.
        start: uniform noise in −start … start, in normalised units, is added to what is remembered.
        decay: share of the remembered perturbation that the search starts from; 0: each visit is the first.
            The memory is of places in the image that the model is handed: a random crop or flip has moved the
            image under its perturbation by its next visit, and the search has to mend that. Less than 1 keeps
            perturbations that the model has come to see through from growing for ever.
        probe: how far the finite difference that sets the step's length looks ahead; None: no pass for it.
            No step is then longer than `attack.TRUST` times what the slope was measured over.
        floor: added to the slope.
        storage: how perturbations are kept: "half", 2 bytes for each value of each training image, on the
            device and in every checkpoint, or "single", 4.
        domain: the BatchNorm that the passes use and the views are trained through, "aux" or "main".

    `distance` and `logp_drop` of the log are of where the last iteration began, as LPA3's are; with one
    iteration that is what was remembered.

    Deviation: BatchNorm on batch statistics sees the selected images alone, where LP-A3's reference comes
    from a pass over the whole batch.

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/2211.00824"
    saved = ("memory",)
    added = ()

    def __init__(
        self,
        *,
        margin: float = 0.02,
        step_size: float | None = None,
        iterations: int = 1,
        lam: float = 10.0,
        ratio: float = 0.1,
        select: Literal["consistency", "random"] = "consistency",
        label: Literal["model", "given"] = "model",
        warmup_steps: int = 0,
        temperature: float = 1.0,
        start: float = 0.01,
        decay: float = 0.9,
        probe: float | None = None,
        floor: float = 1e-4,
        storage: Literal["half", "single"] = "half",
        domain: Domain = "aux",
    ) -> None:
        super().__init__(
            margin=margin,
            step_size=step_size,
            iterations=iterations,
            lam=lam,
            ratio=ratio,
            label=label,
            warmup_steps=warmup_steps,
            temperature=temperature,
            start=start,
            probe=probe,
            floor=floor,
            domain=domain,
        )
        fraction(decay=decay)
        one_of(("consistency", "random"), select=select)
        one_of(("half", "single"), storage=storage)
        self.chosen_by = select
        self.decay = decay
        self.storage = torch.float16 if storage == "half" else torch.float32
        self.memory: Memory | None = None

    def setup(self, env: Env) -> None:
        """Allocate the memory."""
        self.memory = Memory(env.size, env.spec, storage=self.storage, device=env.device)

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """Slots that need a view of every image take only one that leaves none out."""
        if slot.every_row and self._selects:
            return (
                f"slot {slot} needs a view of every image, and LPA3Fast selects; "
                "set ratio = 1 and warmup_steps = 0"
            )
        return super().unsupported(spec, slot)

    def unshared(self) -> str | None:
        """Each process would remember its own images."""
        return "what it remembers of an image stays with one process; start it without torchrun"

    def generate(self, x: Tensor, ctx: Context) -> View:
        """Views of the selected images."""
        rows = self._choose(x, ctx)
        if ctx.step < self.warmup_steps or len(rows) == 0:
            return nothing(x)
        model, chosen = ctx.model, x[rows]
        z = model.normalise(chosen)
        with torch.no_grad():
            output = model.from_normalised(z)
        reference = self._reference(output, z, None if ctx.target is None else ctx.target[rows])
        start = self._noise(z, ctx)
        memory, index = self.memory, None if ctx.index is None else ctx.index[rows]
        if memory is not None and index is not None:
            start = start + self.decay * memory.delta[index].to(start)
        delta, last = self._search(z, start, reference, ctx)
        if memory is not None and index is not None:
            logits = output.logits.to(memory.probabilities) / self.options.temperature
            memory.update(index, delta, logits.softmax(dim=1), ctx.step)
        info = {"selected": len(rows) / len(x)} | seen(last, ctx, len(rows))
        return View(attack.perturbed(chosen, delta, model.std), rows, info)

    def _choose(self, x: Tensor, ctx: Context) -> Tensor:
        """The rows to work on; all of images outside the training set."""
        if self.memory is None or ctx.index is None or self.ratio in (0, 1):
            return torch.arange(len(x) if self.ratio else 0, device=x.device)
        samples = len(x) // ctx.copies
        count = round(self.ratio * samples)
        if self.chosen_by == "random":
            chosen = send(ctx.draws.permutation(samples)[:count].sort().values, x.device)
        else:
            chosen = lowest(-self.memory.drift(ctx.index[:samples], ctx.step), count)
        copies = torch.arange(ctx.copies, device=chosen.device) * samples
        return (copies.unsqueeze(1) + chosen).flatten()


class Memory(nn.Module):
    """What the last visit of every training image left behind; a module for its buffers alone.

    Args:
        size: N, images.
        spec: theirs.
        storage: dtype of the perturbations.
        device: where it lives.
    """

    delta: Tensor
    """[N, C, H, W], normalised; 0 before the first visit."""
    probabilities: Tensor
    """[N, K]; before the first visit nothing is known."""
    pace: Tensor
    """[N], divergence between the predictions of the last two visits, for each step between them; the first
    visit follows a step after none."""
    step: Tensor
    """int64 [N], of the last visit, or NEVER."""

    def __init__(
        self, size: int, spec: DatasetSpec, *, storage: torch.dtype, device: torch.device | str | None = None
    ) -> None:
        super().__init__()
        side = spec.weak.crop or spec.size
        shape = (size, spec.channels, side, side)
        known = (size, spec.num_classes)
        self.register_buffer("delta", torch.zeros(shape, dtype=storage, device=device))
        self.register_buffer("probabilities", torch.full(known, 1 / spec.num_classes, device=device))
        self.register_buffer("pace", torch.zeros(size, device=device))
        self.register_buffer("step", torch.full((size,), NEVER, device=device))

    def drift(self, index: Tensor, step: int) -> Tensor:
        """How far the predictions must have come since the last visits: int64 [B] → [B], ∞ without one."""
        last = self.step[index]
        return torch.where(last == NEVER, torch.inf, self.pace[index] * (step - last))

    def update(self, index: Tensor, delta: Tensor, probabilities: Tensor, step: int) -> None:
        """Remember a visit at this step; a sample that stands in `index` [B] more than once by the mean."""
        now = mean_by_sample(index, probabilities)
        last = self.step[index]
        steps = torch.where(last == NEVER, 1, (step - last).clamp_min(1))
        self.pace[index] = divergence_lpa3(now, self.probabilities[index]) / steps
        self.probabilities[index] = now
        self.delta[index] = mean_by_sample(index, delta).to(self.delta.dtype)
        self.step[index] = step
