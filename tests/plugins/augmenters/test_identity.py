from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from lpa3bench.api import Context
from lpa3bench_plugins.augmenters.identity import Identity


@pytest.mark.parametrize("domain", ["main", "aux"])
def test_every_image_is_its_own_view(domain: Any) -> None:
    augmenter = Identity(domain=domain)
    x = torch.rand(5, 3, 8, 8)
    view = augmenter.generate(x, cast("Context", None))  # it looks at nothing
    assert view.x is x
    assert view.rows.tolist() == [0, 1, 2, 3, 4]
    assert view.target is None
    assert augmenter.bn_domain == domain
    assert not augmenter.needs_model


def test_the_domain_belongs_to_the_instance() -> None:
    Identity(domain="aux")
    assert Identity().bn_domain == Identity.bn_domain == "main"


def test_refuses_other_domains() -> None:
    with pytest.raises(ValueError, match=r"^domain: must be 'main' or 'aux', not 'second'"):
        Identity(domain=cast("Any", "second"))
