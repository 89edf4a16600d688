"""LP-A3, label-preserving adversarial auto-augment (Yang et al., NeurIPS 2022): selection, then search."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from lpa3bench import attack
from lpa3bench.api import Augmenter, Context, DatasetSpec, Domain, Env, Output, Slot, View
from lpa3bench.nn.bank import ConsistencyBank, lowest
from lpa3bench_plugins.parameters import at_least, fraction, one_of


class LPA3(Augmenter):
    """Views that the model sees as different as it can, while it still gives them the same label.

    One pass over the whole batch tells what the model makes of the images, the least consistent share of
    them is selected, and the search of `lpa3bench.attack` moves those: 2·iterations further passes and
    `iterations` backward passes to the image.

    Args:
        margin: σ, by how much the log-probability of the label may fall. Published runs: 0.02 (CIFAR-100 and
            PES on CIFAR-10), 0.002 (FixMatch on CIFAR-10 and STL-10, PES on CIFAR-10 at 90 % noise).
        step_size: scale of the steps, in log-probability; None: the margin, as released.
        iterations: K. 0 leaves the start noise alone, x' = x + noise: a control that tells LP-A3 from an
            extra loss term through a second BatchNorm.
        lam: λ, the multiplier that the hinge's weight grows towards.
        ratio: τ, the share that is selected; 0: nothing, and the model is not called at all.
        select: "batch": the lowest scores of each batch, as in the paper's Algorithm 1; with ratio 1 there is
            no selection and no memory. "dataset": scores below one threshold for the whole data set, as
            released; the number varies from batch to batch, and ratio 1 leaves one sample out.
        tcs: how consistency is measured: "lpa3" as released, or "tcssl" as in the work it comes from.
        label: what is to be preserved: "model", the model's own prediction in the augmenter's BatchNorm
            domain, as released; "given", the arg max of the task's target where there is one, as the paper
            says of labelled data.
        warmup_steps: until that many steps are done predictions are remembered, but nothing is selected.
        temperature: T of the soft-max, in the search and in the memory.
        start: the search starts from uniform noise in −start … start, in normalised units.
        probe: how far the finite difference that sets the step's length looks ahead; None: there is none
            (see `attack.Options`), and an iteration costs a pass less.
        floor: added to the measured slope; part of the method (see `attack.Options`).
        distance: what the search makes grow: the distance in the network's "features", the method; or in
            "pixels", a control that tells what the features contribute (see `attack.Options`).
        direction: "search", the method; "random": a direction drawn at random, for each image as far as the
            search has come, which tells the direction from the length. It costs the same; `distance` and
            `logp_drop` of the log are the search's.
        domain: which BatchNorm the passes use and the views are trained through. The released networks
            have an auxiliary one ("aux"), which the paper does not mention.

    The defaults of margin, lam, iterations and ratio are those of the published commands, not those of the
    released scripts' options (0.1, 0.1, 5 and 0.1), which no published run used.
    """

    paper = "https://arxiv.org/abs/2211.00824"
    needs_model = True
    saved: tuple[str, ...] = ("bank", "pass_no")
    added: ClassVar[tuple[str, ...]] = ("distance", "direction")

    def __init__(
        self,
        *,
        margin: float = 0.02,
        step_size: float | None = None,
        iterations: int = 5,
        lam: float = 1.0,
        ratio: float = 0.9,
        select: Literal["batch", "dataset"] = "batch",
        tcs: Literal["lpa3", "tcssl"] = "lpa3",
        label: Literal["model", "given"] = "model",
        warmup_steps: int = 0,
        temperature: float = 1.0,
        start: float = 0.01,
        probe: float | None = 0.1,
        floor: float = 1e-4,
        distance: Literal["features", "pixels"] = "features",
        direction: Literal["search", "random"] = "search",
        domain: Domain = "aux",
    ) -> None:
        fraction(ratio=ratio)
        at_least(0, warmup_steps=warmup_steps)
        one_of(("batch", "dataset"), select=select)
        one_of(("lpa3", "tcssl"), tcs=tcs)
        one_of(("model", "given"), label=label)
        one_of(("search", "random"), direction=direction)
        one_of(("aux", "main"), domain=domain)
        self.options = attack.Options(
            margin=margin,
            step_size=step_size,
            iterations=iterations,
            lam=lam,
            temperature=temperature,
            start=start,
            probe=probe,
            floor=floor,
            distance=distance,
        )
        self.direction = direction
        self.ratio = ratio
        self.select = select
        self.tcs = tcs
        self.label = label
        self.warmup_steps = warmup_steps
        self.bn_domain = domain
        self.bank: ConsistencyBank | None = None
        self.pass_no = 0

    @property
    def _selects(self) -> bool:
        """Whether it can leave images out."""
        return self.ratio < 1 or self.select == "dataset" or self.warmup_steps > 0

    def setup(self, env: Env) -> None:
        """Allocate the memory, where the selection needs one."""
        if self.ratio > 0 and (self.ratio < 1 or self.select == "dataset"):
            self.bank = ConsistencyBank(env.size, env.spec.num_classes, flavour=self.tcs, device=env.device)

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """Slots that need a view of every image take only an LP-A3 that leaves none out."""
        if slot.every_row and self._selects:
            return (
                f"slot {slot} needs a view of every image, and LPA3 selects; "
                "set ratio = 1, select = 'batch' and warmup_steps = 0"
            )
        if self.bn_domain == "aux" and not slot.auxiliary:
            return f"slot {slot} would never train the main BatchNorm, which predicts; set domain = 'main'"
        return None

    def unshared(self) -> str | None:
        """Scores, predictions and the numbers selected are gathered."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        """Views of the selected images."""
        if self.ratio == 0:
            return nothing(x)
        model = ctx.model
        z = model.normalise(x)
        with torch.no_grad():
            output = model.from_normalised(z)
        rows = self._select(output.logits, ctx)
        selected = ctx.processes.span(len(x) if rows is None else len(rows))
        if ctx.step < self.warmup_steps or selected.total == 0:
            return nothing(x)
        reference = self._reference(output, z, ctx.target)
        if rows is None:
            rows = torch.arange(len(x), device=x.device)
        else:
            x, z, reference = x[rows], z[rows], reference.rows(rows)
        delta, last = self._search(z, self._noise(z, ctx), reference, ctx, share=selected.share)
        if self.direction == "random":
            box = attack.Box.of(model.mean, model.std)
            delta = attack.redirected(delta, ctx.draws.normal(z.shape, like=z), box.around(z))
        whole = ctx.processes.span(len(output.logits)).total
        info = {"selected": selected.total / whole} | seen(last, ctx, len(rows))
        return View(attack.perturbed(x, delta, model.std), rows, info)

    def _reference(self, output: Output, z: Tensor, target: Tensor | None) -> attack.Reference:
        """What the search compares with, of images whose output and target these are."""
        label = None
        if self.label == "given" and target is not None:
            label = target.argmax(dim=1)
        images = z if self.options.distance == "pixels" else None
        return attack.make_reference(output, label, self.options.temperature, images=images)

    def _noise(self, z: Tensor, ctx: Context) -> Tensor:
        """The start noise, [B, C, H, W]."""
        return ctx.draws.uniform(z.shape, -self.options.start, self.options.start, like=z)

    def _search(
        self, z: Tensor, start: Tensor, reference: attack.Reference, ctx: Context, *, share: float = 1.0
    ) -> tuple[Tensor, attack.Iteration | None]:
        """`attack.search` by the model, from `start` on."""
        model = ctx.model
        box = attack.Box.of(model.mean, model.std)
        return attack.search(
            model.from_normalised, z, start, reference, box=box, options=self.options, share=share
        )

    def _select(self, logits: Tensor, ctx: Context) -> Tensor | None:
        """The rows to work on, by scores from before this batch, which is then remembered; None: all."""
        if self.bank is None or ctx.index is None:
            return None
        samples = len(logits) // ctx.copies
        if ctx.pass_no != self.pass_no:
            self.bank.refresh(self.ratio, ctx.pool)
            self.pass_no = ctx.pass_no
        index, everybody = ctx.index[:samples], ctx.processes
        if self.select == "batch":
            span = everybody.span(samples)
            scores = self.bank.scores(everybody.gather(index))
            chosen = span.own(lowest(scores, round(self.ratio * span.total)))
        else:  # how many there are is known only on the device: this waits for it, once per step
            chosen = self.bank.below(index).nonzero().squeeze(1)
        logits = logits.to(self.bank.probabilities.dtype) / self.options.temperature
        self.bank.update(everybody.gather(ctx.index), everybody.gather(logits.softmax(dim=1)))
        copies = torch.arange(ctx.copies, device=chosen.device) * samples
        return (copies.unsqueeze(1) + chosen).flatten()


def seen(last: attack.Iteration | None, ctx: Context, rows: int) -> dict[str, float | Tensor]:
    """What the log has of a search of so many rows, by name."""
    if last is None:
        return {}
    values = (("distance", last.distance), ("logp_drop", last.gap))
    return {name: ctx.processes.weighted(value.mean(), rows) for name, value in values}


def nothing(x: Tensor) -> View:
    """No view at all."""
    return View(x[:0], torch.zeros(0, dtype=torch.int64, device=x.device), {"selected": 0.0})
