"""The guard between tasks and augmenters: it leaves nothing behind, and believes nothing unchecked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, SlotName, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import BenchError, DataError, PluginError, RunFailed
from lpa3bench.testing import (
    COUNT,
    SPEC,
    Bystander,
    TinyNet,
    TinySet,
    assert_same,
    environment,
    weights_of,
)
from lpa3bench.training.environment import Environment

INDEX = torch.arange(8)


class Made(Augmenter):
    """Returns what a function makes of x and the context."""

    def __init__(
        self, make: Callable[[Tensor, Context], Any], *, domain: Domain = "main", needs_model: bool = True
    ) -> None:
        self.make, self.bn_domain, self.needs_model = make, domain, needs_model

    def generate(self, x: Tensor, ctx: Context) -> View:
        view: View = self.make(x, ctx)
        return view


class Counting(Augmenter):
    """Counts what it is told."""

    saved = ("calls",)

    def __init__(self) -> None:
        self.calls = 0
        self.epochs: list[int] = []
        self.size = 0

    def setup(self, env: Any) -> None:
        self.size = env.size

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def generate(self, x: Tensor, ctx: Context) -> View:
        self.calls += 1
        return everything(x, ctx)


class TwoNets(Bystander):
    models = ("one", "two")


def everything(x: Tensor, ctx: Context | None = None) -> View:
    return View(x, torch.arange(len(x)))


def around(augmenter: Augmenter, slot: SlotName = "positives", task: Bystander | None = None) -> Environment:
    more: Any = {slot: augmenter}
    return environment(
        Experiment(task=task or Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, **more)
    )


def ask(env: Environment, slot: SlotName = "positives", net: str = "net", **more: Any) -> View | None:
    target = torch.nn.functional.one_hot(env.labels.given[INDEX], SPEC.num_classes).float()
    given: dict[str, Any] = {"index": INDEX, "target": target} | more
    return env.views(slot, env.models[net], env.images(INDEX), **given)


def flags(env: Environment) -> list[Any]:
    """All that the guard may touch of a network, but its weights and statistics."""
    net = env.models["net"]
    layers = [m for m in net.modules() if hasattr(m, "track_running_stats")]
    return [
        [p.requires_grad for p in net.parameters()],
        [p.grad for p in net.parameters()],
        [m.training for m in net.modules()],
        [(layer.track_running_stats, getattr(layer, "use_aux", None)) for layer in layers],
        env.passes.place,
        torch.is_autocast_enabled("cpu"),
        torch.is_grad_enabled(),
    ]


# ------------------------------------------------------------------------------- nothing is left behind
@pytest.mark.parametrize("domain", ["main", "aux"])
def test_inside_the_model_is_guarded(domain: Domain) -> None:
    seen: dict[str, Any] = {}

    def look(x: Tensor, ctx: Context) -> View:
        net: Any = ctx.model
        layers = [m for m in net.modules() if hasattr(m, "use_aux")]
        seen["frozen"] = not any(p.requires_grad for p in net.parameters())
        seen["selected"] = {layer.use_aux for layer in layers}
        seen["place"] = net.passes.place
        seen["autocast"] = torch.is_autocast_enabled("cpu")
        seen["leaf"] = not x.requires_grad
        return everything(x)

    env = around(Made(look, domain=domain))
    x = env.images(INDEX).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        env.views("positives", env.models["net"], x * 1, index=None, target=None)
        assert torch.is_autocast_enabled("cpu")
    selected = {True} if domain == "aux" else set()  # without aux there is nothing to select
    assert seen == {
        "frozen": True, "selected": selected, "place": "positives/search", "autocast": False, "leaf": True,
    }  # fmt: skip


def wreck(x: Tensor, ctx: Context) -> View:
    """Uses the model as hard as it can, and changes what it can reach."""
    net: Any = ctx.model
    image = x.clone().requires_grad_()
    for _ in range(3):
        output = ctx.logits(image)
        output.logits.sum().backward()  # against the rules: autograd.grad is what may be used
    net.eval()
    net.backbone.body.train()
    return everything(x)


def wreck_and_raise(x: Tensor, ctx: Context) -> View:
    wreck(x, ctx)
    raise KeyError("halfway")


@pytest.mark.parametrize("frozen_part", [False, True])
@pytest.mark.parametrize("domain", ["main", "aux"])
@pytest.mark.parametrize("make", [wreck, wreck_and_raise])
def test_everything_is_put_back(
    make: Callable[[Tensor, Context], View], domain: Domain, frozen_part: bool
) -> None:
    env = around(Made(make, domain=domain))
    net = env.models["net"]
    if frozen_part:
        net.backbone.stages()[-1].requires_grad_(False)
        net.backbone.stem.eval()
    before, weights = flags(env), weights_of(net)
    if make is wreck_and_raise:
        with pytest.raises(PluginError, match="^step 0: Made in slot positives failed .KeyError: 'halfway'"):
            ask(env)
    else:
        ask(env)
    assert flags(env) == before
    moved = {name for name, value in weights_of(net).items() if not torch.equal(value, weights[name])}
    assert all(".aux.running_" in name or ".aux.num_batches" in name for name in moved)
    assert bool(moved) == (domain == "aux"), "every pass moves the auxiliary statistics, and only those"


def test_a_graph_from_before_trains_as_if_nothing_had_happened() -> None:
    def gradients(asked: bool) -> list[Tensor]:
        env = around(Made(wreck, domain="aux"))
        net = env.models["net"]
        loss = env.logits(net, env.images(INDEX)).logits.square().sum()
        if asked:
            ask(env)
        env.backward(loss)
        return [p.grad.clone() for name, p in net.named_parameters() if ".aux." not in name]

    for one, other in zip(gradients(False), gradients(True), strict=True):
        assert torch.equal(one, other)
        assert one.abs().max() > 0


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (DataError("no such file"), DataError, "^no such file$"),
        (
            torch.OutOfMemoryError("too much"),
            RunFailed,
            "Made in slot positives: out of memory .* batch",
        ),
        (ValueError("two\nlines"), PluginError, r"Made in slot positives failed \(ValueError: two\)"),
        (ValueError(), PluginError, r"Made in slot positives failed \(ValueError\)"),
    ],
)
def test_an_error_is_told_by_who_made_it(error: Exception, kind: type[Exception], said: str) -> None:
    def fail(x: Tensor, ctx: Context) -> View:
        raise error

    env = around(Made(fail))
    before = flags(env)
    with pytest.raises(kind, match=said):
        ask(env)
    assert flags(env) == before


@pytest.mark.parametrize("use", [lambda c: c.logits(0), lambda c: c.model(0), lambda c: c.model.normalise(0)])
def test_who_has_not_asked_for_the_model_does_not_get_it(use: Callable[[Context], Any]) -> None:
    env = around(Made(lambda x, ctx: use(ctx), needs_model=False))
    with pytest.raises(PluginError, match="Made in slot positives calls the model .* needs_model = True"):
        ask(env)


# -------------------------------------------------------------------------------------- what comes back
@pytest.mark.parametrize("needs_model", [False, True])
@pytest.mark.parametrize("domain", ["main", "aux"])
def test_views_are_detached_and_carry_the_domain(domain: Domain, needs_model: bool) -> None:
    def make(x: Tensor, ctx: Context) -> View:
        weight = torch.ones((), requires_grad=True)
        other: Domain = "main" if domain == "aux" else "aux"
        target = torch.ones(len(x), SPEC.num_classes) * weight
        return View(x * weight, torch.arange(len(x)), {"n": 1}, target, domain=other)

    env = around(Made(make, domain=domain, needs_model=needs_model))
    view = ask(env)
    assert view is not None
    assert view.domain == domain
    assert view.info == {"n": 1}
    assert env.views.info == {"positives/n": 1}
    assert view.target is not None
    assert not view.x.requires_grad
    assert not view.target.requires_grad


def test_an_empty_slot_answers_none() -> None:
    assert ask(around(Counting(), "view"), "positives") is None


def test_no_view_at_all_is_fine_as_positives_only() -> None:
    def nothing(x: Tensor, ctx: Context) -> View:
        return View(x[:0], torch.zeros(0, dtype=torch.int64))

    env = around(Made(nothing))
    view = ask(env)
    assert view is not None
    assert len(view.x) == 0
    env.alarm.check()
    with pytest.raises(PluginError, match="0 views of 8 images"):
        ask(around(Made(nothing), "view"), "view")


@pytest.mark.parametrize("rows", [[0, 3, 4, 7], [7], [*range(8)]])
def test_any_ascending_selection_is_fine_as_positives(rows: list[int]) -> None:
    env = around(Made(lambda x, ctx: View(x[rows], torch.tensor(rows))))
    ask(env)
    env.alarm.check()


@pytest.mark.parametrize("rows", [[-1, 2], [2, 8], [3, 2], [3, 3]])
def test_rows_that_are_no_ascending_places_are_found(rows: list[int]) -> None:
    env = around(Made(lambda x, ctx: View(x[: len(rows)], torch.tensor(rows))))
    env.clock.step = 4
    ask(env)
    with pytest.raises(RunFailed, match="^step 4: Made in slot positives returned rows that are not ascend"):
        env.alarm.check()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, ctx: x, "returned a Tensor, not a View"),
        (lambda x, ctx: None, "returned a NoneType, not a View"),
        (lambda x, ctx: View(None, torch.arange(8)), "a View whose x is a NoneType"),
        (lambda x, ctx: View(x, [*range(8)]), "a View whose rows is a list"),
        (lambda x, ctx: View(x, torch.arange(8), target=[1.0]), "a View whose target is a list"),
        (lambda x, ctx: View(x, torch.arange(8).int()), r"rows \[8\] torch.int32, not \[8\] torch.int64"),
        (lambda x, ctx: View(x, torch.arange(7)), r"rows \[7\]"),
        (lambda x, ctx: View(x, torch.arange(8)[:, None]), r"rows \[8, 1\]"),
        (lambda x, ctx: View(x.half(), torch.arange(8)), r"float16, not \[M, 3, 8, 8\] torch.float32"),
        (lambda x, ctx: View(x, torch.arange(8), target=torch.ones(8)), r"a target \[8\], not \[8, 3\]"),
        (lambda x, ctx: View(x, torch.arange(8), twin=x[:7]), r"twins \[7, 3, 8, 8\] torch.float32, not \[8"),
        (lambda x, ctx: View(x, torch.arange(8), twin=[x]), "a View whose twin is a list"),
        (lambda x, ctx: View(x, torch.arange(8), {"how": "well"}), r"info\['how'\] that is no number"),
        (lambda x, ctx: View(x, torch.arange(8), {"all": x}), r"info\['all'\] that is no number"),
    ],
)
def test_what_is_no_view_is_refused_at_once(make: Callable[[Tensor, Context], Any], said: str) -> None:
    with pytest.raises(PluginError, match=f"^step 0: Made in slot positives .*{said}"):
        ask(around(Made(make)))


def test_a_target_is_refused_where_the_task_has_no_use_for_it() -> None:
    class Hard(Bystander):
        soft_slots = ()

    make = Made(lambda x, ctx: View(x, torch.arange(8), target=torch.ones(8, 3)))
    assert ask(around(make)) is not None
    with pytest.raises(PluginError, match="a target of its own, which this task cannot use"):
        ask(around(make, task=Hard()))


def test_twins_are_refused_where_the_task_takes_one_view_and_looked_at_where_it_takes_two() -> None:
    class Single(Bystander):
        twin_slots = ()

    def made(shift: float) -> Made:
        return Made(lambda x, ctx: View(x, torch.arange(8), twin=x + shift))

    env = around(made(0.0))
    view = ask(env)
    assert view is not None
    assert view.twin is not None
    assert torch.equal(view.twin, view.x)
    env.alarm.check()
    with pytest.raises(PluginError, match="two views of an image, and this task takes one in this slot"):
        ask(around(made(0.0), task=Single()))
    env = around(made(2.0))
    ask(env)
    with pytest.raises(BenchError, match=r"images outside \[0, 1\]"):
        env.alarm.check()


# ---------------------------------------------------------------------------------- what an augmenter gets
def test_the_context_says_where_the_run_is() -> None:
    seen: list[Context] = []

    def look(x: Tensor, ctx: Context) -> View:
        seen.append(ctx)
        return everything(x)

    env = around(Made(look))
    env.clock.epoch, env.clock.step = 2, 17
    index = INDEX.repeat(2)
    x = env.images(index)
    env.views("positives", env.models["net"], x, index=index, target=None, copies=2, pass_no=5)
    ask(env, index=None)
    first, second = seen
    assert (first.epoch, first.step, first.pass_no, first.copies) == (2, 17, 5, 2)
    assert first.index is index
    assert (first.target, second.index) == (None, None)
    assert second.target is not None
    assert (second.copies, second.pass_no) == (1, 0)
    assert first.spec is env.spec
    assert first.draws is second.draws is env.draws("augment/positives/net")


def test_each_slot_and_network_has_a_copy_of_its_own() -> None:
    bound = Counting()
    env = environment(
        Experiment(task=TwoNets(), dataset=TinySet(), backbone=TinyNet, epochs=1, view=bound, positives=bound)
    )
    env.views.begin_epoch(3)
    for times, (slot, net) in enumerate(
        [("view", "one"), ("view", "two"), ("positives", "one"), ("positives", "two")]
    ):
        for _ in range(times):
            ask(env, slot, net)  # type: ignore[arg-type]
    state = env.views.state_dict()
    assert {name: held["calls"] for name, held in state["augmenters"].items()} == {
        "view/one": 0, "view/two": 1, "positives/one": 2, "positives/two": 3,
    }  # fmt: skip
    copies = [*env.views._bound.values()]
    assert [(copy.size, copy.epochs) for copy in copies] == [(COUNT, [3])] * 4  # type: ignore[attr-defined]
    assert (bound.calls, bound.size, bound.epochs) == (0, 0, []), "the experiment's own stays fresh"

    fresh = around(bound, task=TwoNets())
    fresh.views.load_state_dict(state)
    kept = {name: state["augmenters"][name] for name in ("positives/one", "positives/two")}
    assert_same(fresh.views.state_dict()["augmenters"], kept)


def test_two_networks_draw_from_streams_of_their_own() -> None:
    def noise(x: Tensor, ctx: Context) -> View:
        return View(ctx.draws.uniform(x.shape, like=x), torch.arange(len(x)))

    env, again = (around(Made(noise), task=TwoNets()) for _ in range(2))
    one, two = (ask(env, net=net) for net in ("one", "two"))
    later, earlier = (ask(again, net=net) for net in ("two", "one"))
    assert one is not None
    assert two is not None
    assert later is not None
    assert earlier is not None
    assert not torch.equal(one.x, two.x)
    assert torch.equal(one.x, earlier.x)
    assert torch.equal(two.x, later.x)
