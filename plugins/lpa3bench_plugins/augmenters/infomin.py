"""InfoMin-style views: colours learnt to share little with the image, but its label."""

from __future__ import annotations

import math
from typing import Any, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Context, DatasetSpec, Domain, Env, Output, Slot, View
from lpa3bench.nn.reset import initialised
from lpa3bench.ops import one_hot, probabilities, soft_cross_entropy
from lpa3bench_plugins.augmenters.flow import Colours, PixelFlow, Space

BETAS = (0.5, 0.999)
"""Of both Adams, as in the authors' script."""


# --------------------------------------------------------------------------------------- the two objectives
def information_bound(one: Tensor, other: Tensor, temperature: float, copies: int = 1) -> Tensor:
    """InfoNCE: a lower bound in nats of what two projections of the same images tell of each other.

    The mean over both directions of log S + log p(i | i), where p(j | i) is the soft-max over the S images of
    the cosines divided by the temperature. It reaches log S at most; of one image alone it is 0.

    Args:
        one, other: [B, D], row by row of the same images.
        temperature: of the soft-max.
        copies: V, how many views of the same S = B/V images the rows stack. An image is told from those of
            its own copy, so that other views of it do not count as other images.

    Returns:
        A 0-d tensor.
    """
    p, q = (F.normalize(part.view(copies, -1, part.shape[1]), dim=2) for part in (one, other))
    similarity = p @ q.mT / temperature
    found = [similarity.log_softmax(dim).diagonal(dim1=1, dim2=2).mean() for dim in (1, 2)]
    return math.log(similarity.shape[1]) + (found[0] + found[1]) / 2


def sure_labels(belief: Tensor, threshold: float) -> Tensor:
    """One-hot rows of the likeliest class where its probability reaches the threshold, else zeros: [B, K]."""
    best, label = belief.max(dim=1, keepdim=True)
    return one_hot(label.squeeze(1), belief.shape[1], belief.dtype) * (best >= threshold)


# ---------------------------------------------------------------------------------------------- what learns
class Learner:
    """A module with an Adam of its own."""

    def __init__(self, module: nn.Module, lr: float) -> None:
        self.module = module
        self.optimiser = torch.optim.Adam(module.parameters(), lr, betas=BETAS, fused=True)

    def descend(self, loss: Tensor) -> None:
        """One step down the loss, by gradients of this module's parameters alone; none is left on them."""
        parameters = [*self.module.parameters()]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimiser.step()
        self.optimiser.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        return {"module": self.module.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])


def _projection(width: int, projection: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection))


def _pooled(output: Output) -> Tensor:
    """The last feature map's mean over places: [B, C]."""
    return output.features[-1].mean(dim=(2, 3))


# -------------------------------------------------------------------------------------------- the augmenter
class InfoMinStyle(Augmenter):
    """Views of all images from an invertible change of colours, learnt against the network in training.

    A generator g recolours every pixel by a volume-preserving flow (`flow.PixelFlow`) on normalised pixels,
    and x' = g(x) is clipped to [0, 1]. An estimator, a projection head on the network's pooled last features,
    *maximises* the InfoNCE bound I of the information that x and x' share in them; g *minimises*
    weight·I(x; x') + cross-entropy(F(x'), label): as little in common with x as it can, but the label.
    Once per call of `generate` the estimator makes one step of Adam, then the generator one, against the
    estimator that has just learnt; the network F is frozen, and learns from the views in the task, as from
    LP-A3's. The views handed out are those the generator's step was computed on, from before it, because in
    the authors' script the classifiers learn from that same pass. So the very first ones are the images.

    Where gradients are off, as where a task predicts between epochs, the generator makes views as it is and
    nothing is learnt. A batch of one image has no other to be told from: I is 0, the estimator stays as it
    is, and the generator learns from the cross-entropy alone.

    Cost per image: two forward passes and a backward pass to the image.

    This is not InfoMin (Tian et al., NeurIPS 2020), and its numbers are not reproductions of those that the
    LP-A3 paper copies from there (STL-10: 86.0 with RGB, 87.0 with YDbDr): these are linear read-outs of
    contrastively trained encoders, whose generator had learnt from all 5,000 labels and from 105,000 images.

    What is kept of it: the generator, both colour spaces, the semi-supervised objective min over g and
    classifiers, max over the estimator, of I_NCE + cross-entropies on labelled images, Adam with betas 0.5
    and 0.999, both learning rates, the temperature and the 128 projected dimensions. What differs:

    * There two views, channel 1 and channels 2–3 of g(x), from two crops, stand against each other; here x
      and x' do, each a whole image, from one crop.
    * There the estimator is a pair of ResNet-50s and the classifiers are ResNet-18s of their own; here both
      stand on the network that the task trains.
    * There g is frozen after 100 epochs, and an encoder is trained on its views; here it learns all the time.
      Its learning rate is constant; there it falls by 5 at epochs 60 and 80.
    * Unlabelled images join the cross-entropy where the pseudo-label is sure.
    * The flow starts as the identity, so training starts from plain images.
    * YDbDr pixels are normalised with the script's constants for STL-10, whatever the data set.

    Args:
        space: the colours that the flow works on: "rgb", one channel shifted by the two others in turn, or
            "ydbdr", Y by Db and Dr and the reverse.
        weight: w_I, of the shared information in the generator's loss.
        generator_lr, estimator_lr: of the two Adams.
        projection: dimensions that the estimator compares in.
        temperature: of InfoNCE.
        threshold: a row counts in the cross-entropy where the largest probability of the task's target, or
            where the task hands in none of the network's own prediction for x, is at least this. Given
            labels, which have probability one, always count.
        domain: which BatchNorm the passes use and the views are trained through.
    """

    paper = "https://arxiv.org/abs/2005.10243"
    needs_model = True
    saved = ("seed", "generator", "estimator")

    def __init__(
        self,
        *,
        space: Space = "rgb",
        weight: float = 1.0,
        generator_lr: float = 1e-3,
        estimator_lr: float = 2e-4,
        projection: int = 128,
        temperature: float = 0.07,
        threshold: float = 0.95,
        domain: Domain = "aux",
    ) -> None:
        if space not in get_args(Space):
            raise ValueError(f"space: must be 'rgb' or 'ydbdr', not {space!r}")
        if domain not in get_args(Domain):
            raise ValueError(f"domain: must be 'main' or 'aux', not {domain!r}")
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight: must be >= 0 and finite, not {weight}")
        for name, value in (
            ("generator_lr", generator_lr),
            ("estimator_lr", estimator_lr),
            ("temperature", temperature),
        ):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: must be > 0 and finite, not {value}")
        if projection < 1:
            raise ValueError(f"projection: must be >= 1, not {projection}")
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold: must be in [0, 1], not {threshold}")
        self.space = space
        self.weight = weight
        self.generator_lr = generator_lr
        self.estimator_lr = estimator_lr
        self.projection = projection
        self.temperature = temperature
        self.threshold = threshold
        self.bn_domain = domain
        self.estimator: Learner | None = None

    def setup(self, env: Env) -> None:
        """Make the generator. How wide the estimator is, is seen when the network's features are."""
        self.device = env.device
        self.colours = Colours.of(self.space, env.spec.mean, env.spec.std, env.device)
        draws = env.draws("infomin")
        flow = initialised(lambda: PixelFlow(self.space), draws.child(), env.device)
        self.generator = Learner(flow, self.generator_lr)
        self.seed = draws.child()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if (found := state["estimator"]) is not None:
            first = next(iter(found["module"].values()))
            self.estimator = self._new_estimator(first.shape[1])
        super().load_state_dict(state)

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """It needs colours; and views of slot `view` train the BatchNorm that predicts, or nothing does."""
        if spec.channels != 3:
            found = "one channel" if spec.channels == 1 else f"{spec.channels} channels"
            return f"the flow shifts three colour channels by one another, and {spec.name} has {found}"
        if self.bn_domain == "aux" and not slot.auxiliary:
            return f"slot {slot} would never train the main BatchNorm, which predicts; set domain = 'main'"
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        """Views of all images; estimator and generator learn from them."""
        rows = torch.arange(len(x), device=x.device)
        made = self.colours.decode(self.generator.module(self.colours.encode(x))).clamp(0, 1)
        if not torch.is_grad_enabled():
            return View(made, rows)
        with torch.no_grad():
            plain = ctx.logits(x)
        viewed = ctx.logits(made)
        belief = probabilities(plain.logits) if ctx.target is None else ctx.target
        info = self._learn(plain, viewed, sure_labels(belief, self.threshold), ctx.copies)
        return View(made.detach(), rows, info | {"recoloured": (made.detach() - x).abs().mean()})

    def _learn(self, plain: Output, viewed: Output, label: Tensor, copies: int) -> dict[str, float | Tensor]:
        """One step of each; `viewed` carries the graph to the generator. Returns what is worth logging."""
        one, other = _pooled(plain), _pooled(viewed)
        if self.estimator is None:
            self.estimator = self._new_estimator(one.shape[1])
        head = self.estimator.module
        if len(one) > copies:
            bound = information_bound(head(one), head(other.detach()), self.temperature, copies)
            self.estimator.descend(-bound)
        shared = information_bound(head(one), head(other), self.temperature, copies)
        wrong = soft_cross_entropy(viewed.logits, label)
        self.generator.descend(self.weight * shared + wrong)
        return {"information": shared.detach(), "cross_entropy": wrong.detach()}

    def _new_estimator(self, width: int) -> Learner:
        head = initialised(lambda: _projection(width, self.projection), self.seed, self.device)
        return Learner(head, self.estimator_lr)
