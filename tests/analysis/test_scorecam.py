"""Score-CAM against both of its formulas, written out once more, one masked image at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

pytest.importorskip("torchcam", reason="heat maps need torchcam, of the extra [figures]")

from torchcam.methods import ScoreCAM

from lpa3bench.analysis.scorecam import CamVariant, _scaled, _upsampled, _Watched, score_cam
from lpa3bench.api import Backbone, Output
from lpa3bench.errors import UsageError
from lpa3bench.testing.tiny import SPEC, TinyNet
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import Classifier
from lpa3bench_plugins.backbones.smallnet import SmallNet


def classifier(backbone: Backbone) -> Classifier:
    """In float64, with running statistics that are not those of a fresh network, left in train mode."""
    net = Classifier("net", backbone.double(), SPEC, Passes())
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(16, 3, 8, 8, dtype=torch.float64))
        for parameter in net.parameters():
            parameter.mul_(3)  # so that the classes are told apart
    return net


def small_net() -> Classifier:
    return classifier(SmallNet(num_classes=3, in_channels=3, width=4))


def images() -> tuple[Tensor, Tensor]:
    return torch.rand(4, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 1])


def reference(net: Classifier, x: Tensor, label: int, place: int, variant: CamVariant) -> Tensor:
    """[H, W], of one image [1, C, H, W], by the formulas as they are printed; in eval mode."""

    def up(a: Tensor) -> Tensor:
        return functional.interpolate(a[None, None], (8, 8), mode="bilinear", align_corners=False)[0, 0]

    z = net.normalise(x)
    maps = net.from_normalised(z).features[place][0]
    baseline = net.from_normalised(torch.zeros_like(z)).logits[0, label]
    scores, kept = [], []
    for a in maps:
        u = up(a)
        if u.max() == u.min():
            continue
        h = (u - u.min()) / (u.max() - u.min())
        logits = net.from_normalised(z * h).logits[0]
        scores.append(logits.softmax(0)[label] if variant == "repo" else logits[label] - baseline)
        kept.append(a)
    if variant == "repo":
        total = torch.stack([s * up(a) for s, a in zip(scores, kept, strict=True)]).sum(0).relu()
    else:
        alpha = torch.stack(scores).softmax(0)
        total = up(torch.stack([s * a for s, a in zip(alpha, kept, strict=True)]).sum(0).relu())
    if total.max() == total.min():
        return torch.zeros_like(total)
    return (total - total.min()) / (total.max() - total.min())


@pytest.mark.parametrize("variant", ["repo", "paper"])
@pytest.mark.parametrize("layer", [1, 2, 3, None])
def test_it_is_the_formula(variant: CamVariant, layer: int | None) -> None:
    net, (x, labels) = small_net(), images()
    found = score_cam(net, x, labels, layer=layer, variant=variant, batch_size=5)
    net.eval()
    place = -1 if layer is None else layer - 1
    with torch.no_grad():
        for image, label, heat in zip(x, labels.tolist(), found, strict=True):
            torch.testing.assert_close(heat, reference(net, image[None], label, place, variant))
    assert found.amin((1, 2)).tolist() == [0] * 4
    highest = found.amax((1, 2)).tolist()
    assert {*highest} <= {0, 1}
    assert 1 in highest, "something speaks for some class"


def test_the_variants_the_classes_and_the_layers_differ() -> None:
    net, (x, labels) = small_net(), images()
    repo = score_cam(net, x, labels)
    others = [
        score_cam(net, x, labels, variant="paper"),
        score_cam(net, x, (labels + 1) % 3),
        score_cam(net, x, labels, layer=1),
    ]
    assert all((repo - other).abs().max() > 0.01 for other in others)
    assert torch.equal(score_cam(net, x, labels, layer=3), repo)


def test_the_batch_makes_no_difference_and_nothing_is_left_behind() -> None:
    net, (x, labels) = small_net(), images()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    whole = score_cam(net, x, labels, batch_size=1000)
    torch.testing.assert_close(score_cam(net, x, labels, batch_size=1), whole)
    torch.testing.assert_close(score_cam(net, x[2:3], labels[2:3]), whole[2:3])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def torchcams_own(net: Classifier, x: Tensor, labels: Tensor, layer: int) -> Tensor:
    net.eval()
    watched = _Watched(net, layer)
    with torch.no_grad(), ScoreCAM(watched, "map") as extractor:
        watched(net.normalise(x))
        (cam,) = extractor(labels.tolist())
    assert isinstance(cam, Tensor)
    return cam


def test_torchcams_own_is_the_papers_where_nothing_is_upsampled() -> None:
    """And another where something is: it scales masks before it upsamples them, so they need not reach 1."""
    net, (x, labels) = small_net(), images()
    own = torchcams_own(net, x, labels, layer=1)
    assert own.shape == (4, 8, 8)
    torch.testing.assert_close(own, score_cam(net, x, labels, layer=1, variant="paper"), atol=1e-6, rtol=1e-5)

    coarse, _ = _scaled(_upsampled(torchcams_own(net, x, labels, layer=2)[:, None], x))
    ours = score_cam(net, x, labels, layer=2, variant="paper")
    assert (coarse.squeeze(1) - ours).abs().max() > 1e-3


class Silent(TinyNet):
    """Half of its last channels are constant, as where a ReLU never fires; or all of them."""

    silent = 8

    def forward(self, x: Tensor) -> Output:
        output = super().forward(x)
        first, last = output.features
        last = torch.cat((last[:, self.silent :], last[:, : self.silent] * 0 + 7), 1)
        return Output(self.head(last.mean((2, 3))), (first, last))


@pytest.mark.parametrize("variant", ["repo", "paper"])
@pytest.mark.parametrize("silent", [8, 16])
def test_constant_maps_have_no_vote(variant: CamVariant, silent: int) -> None:
    backbone = Silent(num_classes=3, in_channels=3)
    backbone.silent = silent
    net, (x, labels) = classifier(backbone), images()
    found = score_cam(net, x, labels, variant=variant)
    assert not found.isnan().any()
    if silent == 16:
        assert found.abs().max() == 0, "there is nothing to see"
        return
    net.eval()
    with torch.no_grad():
        for image, label, heat in zip(x, labels.tolist(), found, strict=True):
            torch.testing.assert_close(heat, reference(net, image[None], label, 1, variant))


@pytest.mark.parametrize("layer", [4, 9])
def test_a_layer_that_is_not_there(layer: int) -> None:
    x, labels = images()
    with pytest.raises(UsageError, match=f"--layer {layer}: the network has feature maps 1 … 3"):
        score_cam(small_net(), x, labels, layer=layer)


def test_tokens_have_no_place_in_the_image() -> None:
    class Tokens(SmallNet):
        def forward(self, x: Tensor) -> Output:
            logits, features = super().forward(x)
            return Output(logits, tuple(f.flatten(2).unsqueeze(3) for f in features))

    net = classifier(Tokens(num_classes=3, in_channels=3, width=4))
    with pytest.raises(UsageError, match="Score-CAM needs maps, and this network's features are tokens"):
        score_cam(net, *images())


def test_any_backbone_will_do() -> None:
    """What is explained is the output's feature map, not a layer that goes by a name."""
    net, (x, labels) = classifier(TinyNet(num_classes=3, in_channels=3)), images()
    assert not any(isinstance(module, nn.Identity) for module in net.modules())
    assert score_cam(net, x, labels).shape == (4, 8, 8)
