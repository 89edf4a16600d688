"""Networks of others as backbones: what the probing pass finds in small ones, and what it refuses."""

from __future__ import annotations

import copy
import gc
import weakref
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from lpa3bench import testing
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench_plugins.backbones.adapter import PROBED, Adapted


class Block(nn.Module):
    """Halves the side inside, so that its first layer is no link of the chain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, 2 * channels, 1)
        self.bn = nn.BatchNorm2d(2 * channels)
        self.down = nn.Conv2d(2 * channels, 2 * channels, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        narrow: Tensor = self.down(self.bn(self.wide(x)).relu())
        return narrow


class Top(nn.Module):
    """A head with a forward of its own."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.drop(self.norm(x.mean((2, 3)))))
        return logits


class Net(nn.Module):
    """A stem, two stages of blocks, a pool that enlarges, and a head."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.act = nn.ReLU()
        self.stages = nn.Sequential(
            OrderedDict(one=nn.Sequential(Block(4), nn.Conv2d(8, 8, 1)), two=nn.Sequential(Block(8)))
        )
        self.pool = nn.AdaptiveAvgPool2d(48)
        self.head = Top(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pool(self.stages(self.act(self.act(self.stem(x))))))
        return logits


def adapted(network: nn.Module | None = None, *layers: str) -> Adapted:
    return Adapted(network or Net(), 3, layers or None)


def images(count: int = 2, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_features_are_the_last_links_at_each_resolution() -> None:
    """The second call of `act` counts, the pool enlarges, and the blocks' insides are no links."""
    net = adapted()
    assert [(layer.name, layer.call) for layer in net.layers] == [
        ("act", 1),
        ("stages.one", 0),
        ("stages", 0),
    ]
    assert [tuple(f.shape[1:]) for f in net(images()).features] == [(4, 16, 16), (8, 8, 8), (16, 4, 4)]


def test_stages_are_taken_apart_no_more_than_needed() -> None:
    net = adapted()
    assert net.parts == ("stem", "stages.one", "stages.two", "head.norm", "head.fc")
    assert [id(stage) for stage in net.stages()] == [id(stage) for stage in net.stages()]
    assert adapted(None, "stages.one.1").parts == (
        "stem", "stages.one.0", "stages.one.1", "stages.two", "head.norm", "head.fc"
    )  # fmt: skip


def test_named_layers_come_in_the_order_of_the_pass() -> None:
    net = adapted(None, "stages.two", "stem.0", "stages.one.0.wide", "act")
    assert net.taps == ("stem.0", "act", "stages.one.0.wide", "stages.two")
    assert [f.shape[1] for f in net(images()).features] == [4, 4, 8, 16]


def test_an_output_that_is_changed_in_place_is_seen_as_changed() -> None:
    features = adapted(None, "stem.1", "stem.2")(images()).features
    assert torch.equal(*features)


def test_features_and_logits_are_the_networks_own() -> None:
    network = Net().eval()
    net = Adapted(network, 3, None).eval()
    x = images()
    logits, features = net(x)
    assert torch.equal(logits, network(x))
    assert torch.equal(features[0], network.stem(x))
    assert torch.equal(features[2], network.stages(network.stem(x)))


def test_probing_leaves_no_trace() -> None:
    network = Net()
    network.stem[1].eval()
    before, modes = testing.weights_of(network), [m.training for m in network.modules()]
    with testing.no_global_randomness():
        Adapted(network, 3, None)
    testing.assert_same(before, testing.weights_of(network))
    assert [m.training for m in network.modules()] == modes
    assert not any(m._forward_hooks for m in network.modules())


def test_hooks_are_gone_after_a_pass_that_fails() -> None:
    net = adapted()
    with pytest.raises(RuntimeError):
        net(torch.rand(2, 7, 32, 32))
    assert not any(m._forward_hooks for m in net.modules())


def test_a_deep_copy_reads_its_own_features() -> None:
    net = adapted().eval()
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    x = images()
    kept = [feature.clone() for feature in net(x).features]
    logits, features = twin(x)
    assert torch.equal(features[2], twin.network.stages(twin.network.stem(x)))
    assert not any(torch.equal(a, b) for a, b in zip(kept, features, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(kept, net(x).features, strict=True))
    held = {id(p) for stage in twin.stages() for p in stage.parameters()}
    assert held == {id(p) for p in twin.parameters()}
    original = weakref.ref(net.network)
    del net
    gc.collect()
    assert original() is None
    assert torch.equal(twin(x).logits, logits)


def test_auxiliary_batchnorm_joins_every_layer() -> None:
    net = adapted(None, "stem.1", "stages.one.0.bn")
    assert add_auxiliary(net) == 3
    x = images(4)
    for _ in range(3):
        net(x)
    with bn_domain(net, "aux"):
        aux = net.eval()(x)
    main = net(x)
    assert not any(torch.equal(a, b) for a, b in zip(main.features, aux.features, strict=True))
    assert not torch.equal(main.logits, aux.logits)
    testing.assert_same(testing.weights_of(copy.deepcopy(net)), testing.weights_of(net))


@pytest.mark.parametrize("side", [8, 33, PROBED, 160])
def test_any_image_size_will_do(side: int) -> None:
    net = adapted()
    logits, features = net(images(2, side))
    assert logits.shape == (2, 5)
    assert [f.shape[2] for f in features] == [-(-side // 2), -(-side // 4), -(-side // 8)]


# ---------------------------------------------------------------------------------------- what is refused
class Tokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mT


class First(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def sequence(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), *layers)


class Owner(Net):
    """Has a parameter of its own, beside its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


def test_a_parameter_that_belongs_to_no_part_is_one() -> None:
    """As the class token of a transformer."""
    network = Owner()
    net = adapted(network)
    assert net.parts[0] == "scale"
    held = [id(p) for stage in net.stages() for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    assert held[0] == id(network.scale)


class Backwards(Net):
    """Defines its head first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = self._modules.pop("stem")


class Shares(Net):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Conv2d(4, 4, 1)  # type: ignore[assignment]
        self.stem.add_module("3", self.act)


class Auxiliary(Net):
    aux_logits = True


POOL = (nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Auxiliary(), "^arch: Auxiliary returns the logits of auxiliary heads"),
        (
            sequence(nn.Conv2d(4, 5, 1), *POOL),
            "^arch: the logits of Sequential are not the output of an nn.Lin",
        ),
        (sequence(*POOL, nn.Linear(4, 5), nn.Tanh()), "^arch: the logits of Sequential are not the output"),
        (sequence(nn.Flatten(), nn.Linear(9, 5)), r"^arch: Sequential refuses an image of 128 pixels \(mat1"),
        (sequence(Tokens(), First(), nn.Linear(4, 5)), r"^layers: '1' gives \[1, 4096, 4\], not maps"),
        (
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)),
            "^layers: no module gives feature maps",
        ),
        (Backwards(), "^arch: the stages of Backwards cannot be told, because 'stem' comes after its head"),
        (Shares(), "^arch: the stages of Shares cannot be told, because two parts share a parameter"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_refuses_what_it_cannot_adapt(network: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        adapted(network)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (("stages.tow",), "^layers: the model has no module 'stages.tow'; nearest: stages.two"),
        (("head.fc",), r"^layers: 'head.fc' gives \[1, 5\], no feature"),
        (("stem", "idle"), "^layers: the forward pass did not reach 'idle'"),
        ((), "^layers: must name at least one module"),
    ],
)
def test_refuses_layers_without_maps(layers: tuple[str, ...], message: str) -> None:
    network = Net()
    network.idle = nn.ReLU()
    with pytest.raises(ValueError, match=message):
        Adapted(network, 3, layers)
