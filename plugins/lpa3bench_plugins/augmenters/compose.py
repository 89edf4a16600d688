"""Augmenters in sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, Domain, Env, Slot, View


class Compose(Augmenter):
    """Each augmenter works on the views of the one before it.

    One that selects passes its selection on, one that makes targets of its own passes these on. Where one of
    them calls the model, the whole sequence runs in its BatchNorm domain. What a member logs is logged under
    its place in the sequence: `positives/1/selected`.

    Args:
        augmenters: what is done, in order.

    Raises:
        ValueError: there is none, or two want the views trained through different BatchNorms.
    """

    def __init__(self, *, augmenters: tuple[Augmenter, ...]) -> None:
        if not augmenters:
            raise ValueError("augmenters: must name one at least")
        if pairs := [type(member).__name__ for member in augmenters if member.twins]:
            raise ValueError(f"augmenters: {pairs[0]} makes two views of an image, and the next takes one")
        domains: dict[Domain, str] = {}
        for member in augmenters:
            if member.needs_model or member.bn_domain == "aux":  # to others the domain is all one
                domains.setdefault(member.bn_domain, type(member).__name__)
        if len(domains) > 1:
            wanted = " and ".join(f"{domain} ({name})" for domain, name in domains.items())
            raise ValueError(f"augmenters: must work in one BatchNorm domain, not in {wanted}")
        self.augmenters = augmenters
        self.needs_model = any(member.needs_model for member in augmenters)
        self.soft_targets = any(member.soft_targets for member in augmenters)
        self.bn_domain = next(iter(domains), "main")

    def setup(self, env: Env) -> None:
        """Let every member allocate what it needs."""
        for member in self.augmenters:
            member.setup(env)

    def begin_epoch(self, epoch: int) -> None:
        for member in self.augmenters:
            member.begin_epoch(epoch)

    def describe(self) -> str:
        """The members by name, each with what it says of itself."""
        return "\n".join(
            line
            for place, member in enumerate(self.augmenters)
            for line in (f"{place}: {type(member).__name__}", *_indented(member.describe()))
        )

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """What the members have against it."""
        reasons = ((type(member).__name__, member.unsupported(spec, slot)) for member in self.augmenters)
        return "; ".join(f"{name}: {why}" for name, why in reasons if why) or None

    def unshared(self) -> str | None:
        """What the members have against it."""
        reasons = ((type(member).__name__, member.unshared()) for member in self.augmenters)
        return "; ".join(f"{name}: {why}" for name, why in reasons if why) or None

    def generate(self, x: Tensor, ctx: Context) -> View:
        """The views of the last member. One that leaves nothing ends the sequence."""
        rows = torch.arange(len(x), device=x.device)
        info: dict[str, Any] = {}
        soft = False
        for place, member in enumerate(self.augmenters):
            if ctx.processes.span(len(x)).total == 0:
                break
            view = member.generate(x, ctx)
            rows = rows[view.rows]
            info |= {f"{place}/{name}": value for name, value in view.info.items()}
            soft = soft or view.target is not None
            ctx = _context_of(view, ctx, whole=len(view.x) == len(x))
            x = view.x.detach()
        return View(x, rows, info, ctx.target if soft else None)

    def state_dict(self) -> dict[str, Any]:
        """The members' states, in order."""
        return {"augmenters": [member.state_dict() for member in self.augmenters]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        for member, own in zip(self.augmenters, state["augmenters"], strict=True):
            member.load_state_dict(own)


def _context_of(view: View, ctx: Context, *, whole: bool) -> Context:
    """What the next augmenter is told of the views that it gets. `whole`: there is one of every image."""
    return replace(
        ctx,
        index=_selected(ctx.index, view.rows),
        target=_selected(ctx.target, view.rows) if view.target is None else view.target.detach(),
        # Once some are left out the copies may differ in number; each view is then a sample by itself, and
        # memories average those of one sample all the same.
        copies=ctx.copies if whole else 1,
    )


def _selected(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values[rows]


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
