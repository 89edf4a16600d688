"""The classifier: normalisation in front, passes counted."""

from __future__ import annotations

import copy

import pytest
import torch
from support.point_network import PointNet
from torch import Tensor, nn

from lpa3bench.api import Output
from lpa3bench.errors import ConfigError, PluginError
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain, frozen_statistics
from lpa3bench.nn.freeze import frozen
from lpa3bench.testing import SPEC, TinyNet, assert_same, no_global_randomness, weights_of
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import Classifier, build_networks

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Plain(TinyNet):
    """Shows no features."""

    def forward(self, x: Tensor) -> Output:
        return Output(super().forward(x).logits, ())


def classifier(kind: type[TinyNet] = TinyNet, dtype: torch.dtype = torch.float32) -> Classifier:
    network = kind(num_classes=SPEC.num_classes, in_channels=SPEC.channels).to(dtype)
    return Classifier("net", network, SPEC, Passes())


def counted(model: Classifier) -> list[int]:
    return model.passes.counts["task"]


def test_it_normalises_as_the_data_set_says() -> None:
    model = classifier().eval()
    expected = torch.stack([(X[:, c] - SPEC.mean[c]) / SPEC.std[c] for c in range(3)], dim=1)
    torch.testing.assert_close(model.normalise(X), expected)
    assert torch.equal(model(X).logits, model.backbone(model.normalise(X)).logits)
    assert torch.equal(model(X).logits, model.from_normalised(model.normalise(X)).logits)


def test_mean_and_std_are_the_data_sets_and_not_saved() -> None:
    model = classifier(dtype=torch.float64)
    assert model.mean.dtype == torch.float64
    assert model.mean.shape == (3, 1, 1)
    assert set(model.state_dict()) == {f"backbone.{name}" for name in model.backbone.state_dict()}


def test_a_single_value_is_normalised_with_running_statistics() -> None:
    model = classifier(PointNet).train()
    model(X)
    stem, last = model.backbone.stem[1], model.backbone.body[1]
    before = copy.deepcopy(last.state_dict())
    entered: list[Tensor] = []
    handle = last.register_forward_hook(lambda _, inputs, output: entered.extend((*inputs, output)))
    model(X[:1]).logits.sum().backward()
    handle.remove()
    mean, var = (each.view(1, -1, 1, 1) for each in (last.running_mean, last.running_var))
    torch.testing.assert_close(entered[1], (entered[0] - mean) / (var + last.eps).sqrt())
    assert_same(last.state_dict(), before, "they stand still")
    assert stem.num_batches_tracked == 2, "a layer of larger maps goes by the image's own"
    assert last.weight.grad is not None
    assert all(module.training for module in model.modules())
    assert not last._forward_pre_hooks


def test_so_it_is_in_the_auxiliary_batchnorm_and_where_statistics_stand_still() -> None:
    model = classifier(PointNet).train()
    add_auxiliary(model.backbone)
    last = model.backbone.body[1]
    with bn_domain(model, "aux"):
        model(X)
        before = copy.deepcopy(last.state_dict())
        assert model(X[:1]).logits.isfinite().all()
    with frozen_statistics(model):
        assert model(X[:1]).logits.isfinite().all()
    assert_same(last.state_dict(), before, "they stand still")
    assert last.training
    assert last.aux.training


@pytest.mark.parametrize("least", [9, 33, 63, 300])
def test_images_that_are_too_small_are_told_with_what_would_do(least: int) -> None:
    class Needs(TinyNet):
        def forward(self, x: Tensor) -> Output:
            assert x.shape[-1] >= least, "too small"
            return super().forward(x)

    model = classifier(Needs).train()
    with pytest.raises(ConfigError, match=rf"images of 8 pixels .* for Needs, .* run\.resize = {least}$"):
        model(X)
    assert model.backbone.training
    assert not model.passes.counts


def test_what_fails_for_another_reason_is_no_matter_of_size() -> None:
    class Never(TinyNet):
        def forward(self, x: Tensor) -> Output:
            raise RuntimeError("never")

    class Alone(TinyNet):
        def forward(self, x: Tensor) -> Output:
            assert len(x) == 1, "one by one"
            return super().forward(x)

    for kind, why in ((Never, "never"), (Alone, "one by one")):
        with pytest.raises(PluginError, match=rf"{kind.__name__}\.forward failed \(.*{why}"):
            classifier(kind)(X)


@pytest.mark.parametrize("kind", [TinyNet, Plain])
def test_passes_are_counted_by_what_they_compute(kind: type[TinyNet]) -> None:
    model = classifier(kind)
    with torch.no_grad():
        model(X)
    assert counted(model) == [6, 0, 0]
    model(X[:4]).logits.sum().backward()
    assert counted(model) == [10, 4, 0]
    with frozen(model):
        z = model.normalise(X[:2]).requires_grad_()
        torch.autograd.grad(model.from_normalised(z).logits.sum(), z)
    assert counted(model) == [12, 4, 2]


def test_a_loss_on_all_features_is_one_backward_pass() -> None:
    model = classifier()
    logits, features = model(X)
    (logits.sum() + sum(f.square().sum() for f in features)).backward()
    assert counted(model) == [6, 6, 0]


def test_training_the_head_alone_goes_back_through_no_body() -> None:
    model = classifier()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.backbone.stages()[-1].requires_grad_(True)
    model(X).logits.sum().backward()
    assert counted(model) == [6, 0, 0]
    model.backbone.stages()[-2].requires_grad_(True)
    model(X).logits.sum().backward()
    assert counted(model) == [12, 6, 0], "but through a part of it all the same"


def test_a_backward_pass_is_counted_where_its_forward_pass_was() -> None:
    model = classifier()
    with model.passes.at("positives/loss"):
        loss = model(X).logits.sum()
    with model.passes.at("view/search"):
        loss.backward()
    assert model.passes.counts == {"positives/loss": [6, 6, 0]}


def test_a_backbone_that_fails_is_named() -> None:
    model = classifier()
    with pytest.raises(PluginError, match=r"^TinyNet.forward failed \(RuntimeError: "):
        model(X.double())  # the weights are float32


# ----------------------------------------------------------------------------------------------- build
def networks(*names: str, seed: int = 0, auxiliary: bool = False) -> dict[str, Classifier]:
    with no_global_randomness():
        return build_networks(
            names,
            TinyNet,
            SPEC,
            seed=seed,
            device=torch.device("cpu"),
            auxiliary=auxiliary,
            passes=Passes(),
        )


def alike(one: nn.Module, other: nn.Module) -> bool:
    weights = weights_of(other)
    return all(torch.equal(v, weights[name]) for name, v in weights_of(one).items() if ".aux." not in name)


def test_each_network_starts_from_its_name_and_the_seed() -> None:
    pair, swapped, alone = networks("one", "two"), networks("two", "one"), networks("two")
    assert list(pair) == ["one", "two"]
    assert pair["one"].name == "one"
    assert not alike(pair["one"], pair["two"])
    assert alike(pair["one"], swapped["one"])
    assert alike(pair["two"], alone["two"])
    assert not alike(pair["two"], networks("two", seed=1)["two"])


def test_the_auxiliary_batchnorm_moves_no_weight() -> None:
    plain, dual = networks("net")["net"], networks("net", auxiliary=True)["net"]
    assert alike(plain, dual)
    assert sum(".aux." in name for name in weights_of(dual)) == 2 * 5
    assert add_auxiliary(dual) == 2


def test_weights_lie_channels_last() -> None:
    (net,) = networks("net").values()
    weight = net.backbone.body[0].weight  # type: ignore[union-attr, index]
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
