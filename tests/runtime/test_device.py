"""Tensors on their way to a device."""

from __future__ import annotations

import pytest
import torch

from lpa3bench.runtime.device import send


def test_what_is_there_already_is_the_same_tensor() -> None:
    x = torch.arange(3)
    assert send(x, torch.device("cpu")) is x
    there = torch.empty(3, device="meta")
    assert send(there, torch.device("meta")) is there


def test_it_goes_to_the_device() -> None:
    sent = send(torch.ones(2, 3, dtype=torch.float64), torch.device("meta"))
    assert (sent.device.type, sent.shape, sent.dtype) == ("meta", (2, 3), torch.float64)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU, whose memory this is about")
def test_the_host_does_not_wait_and_nothing_is_lost() -> None:
    device = torch.device("cuda")
    busy = torch.randn(4096, 4096, device=device)
    for _ in range(20):
        busy = busy @ busy / 4096
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent = [send(torch.full((1000,), place), device) for place in range(100)]
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert torch.stack(sent).cpu().equal(torch.arange(100)[:, None].expand(100, 1000))
