"""Tensors on their way to a device, and what a device is."""

from __future__ import annotations

import pytest
import torch

from lpa3bench.runtime import device as devices
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


# ---------------------------------------------------------------------------------------- what it is
@pytest.mark.parametrize(
    ("device", "asked", "used"),
    [
        ("cpu", "auto", "float32"),
        ("cuda", "auto", "bfloat16"),
        ("cpu", "bfloat16", "bfloat16"),
        ("cuda", "float32", "float32"),
    ],
)
def test_the_precision_that_is_used_is_no_auto(device: str, asked: str, used: str) -> None:
    assert devices.precision(torch.device(device), asked) == used


@pytest.mark.parametrize("asked", ["auto", "float32", "bfloat16"])
def test_the_precision_that_is_told_is_the_one_that_is_used(asked: str) -> None:
    cpu = torch.device("cpu")
    with devices.autocast(cpu, asked):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert str(made.dtype) == f"torch.{devices.precision(cpu, asked)}"


INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480+

processor\t: 1
model name\t: another
"""
ARM = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("told", "model", "family"),
    [
        (INTEL, "Intel(R) Xeon(R) Platinum 8480+", "GenuineIntel family 6 model 143"),
        (ARM, None, "0x41 part 0xd40"),
        ("", None, None),
    ],
)
def test_the_cpu_is_told_as_far_as_the_system_tells(told: str, model: str | None, family: str | None) -> None:
    found = devices.cpu_named(told.splitlines())
    assert found["cpu_model"] == model or (model is None and found["cpu_model"])
    assert found["cpu_family"] == family or (family is None and found["cpu_family"])


def test_versions_are_read_from_what_torch_was_built_with() -> None:
    shown = (
        "  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for Intel(R) 64\n"
        "  - Intel(R) MKL-DNN v3.7.1 (Git Hash 8d263e693366ef8db40acc569cc7d8edf644556d)\n"
    )
    assert devices.math_libraries(shown) == {"mkl": "2024.2", "onednn": "3.7.1"}
    assert devices.math_libraries("  - OpenBLAS 0.3.28\n") == {"openblas": "0.3.28"}
    assert devices.math_libraries("PyTorch built with:") == {}


def test_the_hardware_is_what_bits_depend_on() -> None:
    found = devices.hardware(torch.device("cpu"))
    assert found["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert (found["gpu_name"], found["gpu_capability"]) == (None, None)
    assert found["cpu_model"] == devices.device_name(torch.device("cpu"))


@pytest.mark.gpu
def test_a_gpu_is_named_with_what_it_can() -> None:
    found = devices.hardware(torch.device("cuda"))
    assert found["gpu_name"] == torch.cuda.get_device_name()
    assert found["gpu_capability"] == ".".join(map(str, torch.cuda.get_device_capability()))
    assert {"cuda", "cudnn"} <= found["math_libraries"].keys()
