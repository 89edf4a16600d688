"""Auxiliary BatchNorm, its switch, and statistics that stand still."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small, resnet18

from lpa3bench.nn.batchnorm import DualBatchNorm2d, add_auxiliary, bn_domain, frozen_statistics


class ActivatedBatchNorm(nn.BatchNorm2d):
    """A subclass with a forward of its own, as timm has one."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, input: Tensor) -> Tensor:
        return self.act(super().forward(input))


def small(normalisation: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        normalisation(4),
        nn.Sequential(nn.LeakyReLU(0.1), nn.Conv2d(4, 6, 3), normalisation(6)),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 5),
    )


def images(seed: int = 1, batch: int = 6) -> Tensor:
    return torch.rand((batch, 3, 8, 8), generator=torch.Generator().manual_seed(seed))


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def changed(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def statistics(model: nn.Module, aux: bool) -> set[str]:
    names = {name for name, _ in model.named_buffers()}
    return {name for name in names if (".aux." in name) == aux}


NETWORKS = {
    "plain": small,
    "subclass": lambda: small(ActivatedBatchNorm),
    "torchvision resnet18": lambda: resnet18(num_classes=5),
    "torchvision mobilenet": lambda: mobilenet_v3_small(num_classes=5),
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request: pytest.FixtureRequest) -> nn.Module:
    return request.param().train()


class TestConversion:
    @pytest.mark.parametrize("training", [True, False])
    def test_changes_no_output_and_starts_as_a_copy(self, network: nn.Module, training: bool) -> None:
        network(images(2))  # statistics that are not the initial ones
        for module in network.modules():  # dropout would make two passes differ
            module.train(training and not isinstance(module, nn.Dropout))
        untouched = copy.deepcopy(network)

        count = add_auxiliary(network)

        assert count == sum(isinstance(m, nn.BatchNorm2d) for m in untouched.modules()) > 1
        before = untouched(images())
        with bn_domain(network, "aux"):
            assert torch.equal(network(images()), before)
        assert torch.equal(network(images()), before)

    def test_draws_no_random_numbers(self) -> None:
        model = small()
        before = torch.get_rng_state()
        add_auxiliary(model)
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_subclass_keeps_its_forward_in_both_domains(self) -> None:
        model = small(ActivatedBatchNorm)
        add_auxiliary(model)
        layer = model[1]
        assert isinstance(layer, DualBatchNorm2d)
        assert isinstance(layer, ActivatedBatchNorm)
        for domain in ("main", "aux"):
            with bn_domain(model, domain):
                assert layer(torch.randn(8, 4, 3, 3)).min() == 0

    def test_twice_is_harmless(self) -> None:
        model = small()
        first = add_auxiliary(model)
        with bn_domain(model, "aux"):
            model(images())
        before = snapshot(model)
        assert add_auxiliary(model) == first == 2
        assert model.state_dict().keys() == before.keys()
        assert not changed(model, before)

    def test_without_batchnorm_converts_nothing(self) -> None:
        assert add_auxiliary(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))) == 0

    def test_a_layer_used_twice_is_converted_once(self) -> None:
        shared = nn.BatchNorm2d(3)
        assert add_auxiliary(nn.Sequential(shared, nn.ReLU(), shared)) == 1

    def test_a_single_layer_is_a_model_too(self) -> None:
        layer = nn.BatchNorm2d(3)
        assert add_auxiliary(layer) == 1
        before = snapshot(layer)
        with bn_domain(layer, "aux"):
            layer(images())
        assert changed(layer, before) == {"aux.running_mean", "aux.running_var", "aux.num_batches_tracked"}

    def test_the_layers_follow_the_model(self) -> None:
        model = small()
        add_auxiliary(model)
        model.double().eval()
        assert model[1].aux.weight.dtype == torch.float64
        assert not model[1].aux.training
        with bn_domain(model, "aux"):
            assert model(images().double()).dtype == torch.float64

    @pytest.mark.parametrize("momentum", [0.0, -0.1, 1.5])
    def test_refuses_a_momentum_out_of_range(self, momentum: float) -> None:
        with pytest.raises(ValueError, match=r"^momentum: must be in"):
            add_auxiliary(small(), momentum)


class TestStatistics:
    def test_each_domain_moves_its_own(self, network: nn.Module) -> None:
        add_auxiliary(network)
        before = snapshot(network)
        with bn_domain(network, "aux"):
            network(images())
        assert changed(network, before) == statistics(network, aux=True)

        before = snapshot(network)
        network(images())
        assert changed(network, before) == statistics(network, aux=False)

    def test_each_has_its_own_momentum(self) -> None:
        layer = nn.BatchNorm2d(3, momentum=0.25)
        add_auxiliary(layer)
        mean = images().mean((0, 2, 3))
        layer(images())
        with bn_domain(layer, "aux"):
            layer(images())
        torch.testing.assert_close(layer.running_mean, 0.25 * mean)
        torch.testing.assert_close(layer.aux.running_mean, 0.01 * mean)

    def test_eval_mode_reads_those_of_the_domain(self) -> None:
        model = small()
        add_auxiliary(model)
        with bn_domain(model, "aux"):
            model(images())
        model.eval()
        main = model(images())
        with bn_domain(model, "aux"):
            assert not torch.allclose(model(images()), main)


class TestGradient:
    def test_reaches_the_affine_parameters_of_the_domain_only(self) -> None:
        model = small()
        add_auxiliary(model)
        with bn_domain(model, "aux"):
            model(images()).square().sum().backward()
        reached = {name for name, p in model.named_parameters() if p.grad is not None}
        normalisations = {"1", "2.2"}
        assert {f"{n}.aux.{p}" for n in normalisations for p in ("weight", "bias")} <= reached
        assert not {f"{n}.{p}" for n in normalisations for p in ("weight", "bias")} & reached
        assert {"0.weight", "4.weight"} <= reached  # convolution and head are common

    def test_of_both_domains_adds_up_in_the_common_weights(self) -> None:
        model = small().double()
        add_auxiliary(model)
        clean, other = images(1).double(), images(2).double()
        weight = model[0].weight
        (single,) = torch.autograd.grad(model(clean).square().sum(), weight)
        with bn_domain(model, "aux"):
            (double,) = torch.autograd.grad(model(other).square().sum(), weight)

        loss = model(clean).square().sum()
        with bn_domain(model, "aux"):
            loss = loss + model(other).square().sum()
        loss.backward()
        torch.testing.assert_close(weight.grad, single + double)


class TestSwitch:
    @given(st.lists(st.sampled_from(["main", "aux"]), min_size=1, max_size=6))
    def test_nests(self, names: list[str]) -> None:
        layer = nn.BatchNorm2d(3)
        add_auxiliary(layer)

        def descend(remaining: list[str]) -> None:
            if not remaining:
                return
            outside = layer.use_aux
            with bn_domain(layer, remaining[0]):
                assert layer.use_aux == (remaining[0] == "aux")
                descend(remaining[1:])
                assert layer.use_aux == (remaining[0] == "aux")
            assert layer.use_aux == outside

        descend(names)
        assert not layer.use_aux

    def test_a_part_can_be_switched_apart_from_the_whole(self) -> None:
        model = small()
        add_auxiliary(model)
        with bn_domain(model[2], "aux"):
            with bn_domain(model, "main"):
                assert not model[2][2].use_aux
            assert (model[1].use_aux, model[2][2].use_aux) == (False, True)

    def test_comes_back_after_an_exception(self) -> None:
        model = small()
        add_auxiliary(model)
        with pytest.raises(KeyError), bn_domain(model, "aux"):
            raise KeyError
        before = snapshot(model)
        model(images())
        assert changed(model, before) == statistics(model, aux=False)

    def test_aux_without_conversion_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"^name: .* call add_auxiliary\(model\) first"):
            bn_domain(small(), "aux")

    def test_aux_is_an_error_where_a_layer_was_replaced(self) -> None:
        model = small()
        add_auxiliary(model)
        with bn_domain(model, "aux"):
            pass
        model[1] = nn.BatchNorm2d(4)
        with pytest.raises(ValueError, match="1 of the model's 2"):
            bn_domain(model, "aux")
        add_auxiliary(model)
        with bn_domain(model, "aux"):
            assert model[1].use_aux

    def test_a_model_without_batchnorm_has_nothing_to_select(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3 * 8 * 8), nn.Linear(3 * 8 * 8, 2))
        with bn_domain(model, "aux"):
            assert model(images()).shape == (6, 2)

    def test_main_needs_no_conversion(self) -> None:
        model = small()
        with bn_domain(model, "main"):
            assert model(images()).shape == (6, 5)

    def test_refuses_an_unknown_name(self) -> None:
        model = small()
        add_auxiliary(model)
        with pytest.raises(ValueError, match=r"^name: must be 'main' or 'aux', not 'adv'"):
            bn_domain(model, "adv")  # type: ignore[arg-type]


class TestCopy:
    def test_has_a_switch_and_statistics_of_its_own(self) -> None:
        model = small()
        add_auxiliary(model)
        with bn_domain(model, "aux"):  # the original has been switched before it is copied
            model(images(3))
        twin = copy.deepcopy(model)
        before, before_twin = snapshot(model), snapshot(twin)

        with bn_domain(twin, "aux"):
            assert not model[1].use_aux
            twin(images())
        assert changed(twin, before_twin) == statistics(twin, aux=True)
        assert not changed(model, before)

        with bn_domain(model, "aux"):
            assert not twin[1].use_aux
            model(images())
        assert torch.equal(model[1].aux.running_mean, twin[1].aux.running_mean)
        assert model[1].aux.running_mean.data_ptr() != twin[1].aux.running_mean.data_ptr()


class TestStateDict:
    def test_old_keys_stay_and_only_aux_keys_join(self, network: nn.Module) -> None:
        old = list(network.state_dict())
        add_auxiliary(network)
        new = list(network.state_dict())
        assert [key for key in new if ".aux." not in key] == old
        assert len(new) > len(old)

    def test_an_old_checkpoint_misses_only_aux_keys(self, network: nn.Module) -> None:
        checkpoint = snapshot(network)
        network(images())
        add_auxiliary(network)
        result = network.load_state_dict(checkpoint, strict=False)
        assert result.missing_keys
        assert all(".aux." in key for key in result.missing_keys)
        assert not result.unexpected_keys
        assert all(torch.equal(network.state_dict()[key], value) for key, value in checkpoint.items())

    def test_round_trip(self) -> None:
        model, other = small(), small()
        add_auxiliary(model)
        add_auxiliary(other)
        with bn_domain(model, "aux"):
            model(images())
        other.load_state_dict(model.state_dict())
        assert not changed(other, snapshot(model))


class TestFrozenStatistics:
    def test_main_stays_and_still_normalises_by_the_batch(self, network: nn.Module) -> None:
        for module in network.modules():
            module.train(not isinstance(module, nn.Dropout))
        before = snapshot(network)
        with frozen_statistics(network):
            inside = network(images())
        assert not changed(network, before)
        assert torch.equal(network(images()), inside)
        assert changed(network, before) == statistics(network, aux=False)  # and after it they move again

    def test_aux_moves(self) -> None:
        model = small()
        add_auxiliary(model)
        before = snapshot(model)
        with frozen_statistics(model), bn_domain(model, "aux"):
            model(images())
        assert changed(model, before) == statistics(model, aux=True)
        assert model[1].aux.num_batches_tracked == 1

    def test_holds_for_other_dimensions(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3 * 8 * 8))
        before = snapshot(model)
        with frozen_statistics(model):
            model(images())
        assert not changed(model, before)

    def test_changes_nothing_in_eval_mode(self) -> None:
        model = small()
        model(images(2))
        model.eval()
        outside = model(images())
        with frozen_statistics(model):
            assert torch.equal(model(images()), outside)

    def test_ends_with_an_exception(self) -> None:
        model = small()
        with pytest.raises(KeyError), frozen_statistics(model):
            raise KeyError
        before = snapshot(model)
        model(images())
        assert changed(model, before) == statistics(model, aux=False)

    def test_nests_and_leaves_a_layer_without_statistics_as_it_is(self) -> None:
        model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False))
        with frozen_statistics(model):
            with frozen_statistics(model):
                pass
            assert [layer.track_running_stats for layer in model] == [False, False]
        assert [layer.track_running_stats for layer in model] == [True, False]

    def test_a_later_backward_works(self) -> None:
        """Of a graph recorded before the block and of one recorded inside it, as a task with a view has."""
        model = small().double()
        x, view = images(1).double(), images(2).double()
        twin = copy.deepcopy(model)
        (twin(x).square().sum() + twin(view).square().sum()).backward()

        loss = model(x).square().sum()
        with frozen_statistics(model):
            loss = loss + model(view).square().sum()
        loss.backward()
        for ours, plain in zip(model.parameters(), twin.parameters(), strict=True):
            assert ours.grad is not None
            assert plain.grad is not None
            torch.testing.assert_close(ours.grad, plain.grad)
