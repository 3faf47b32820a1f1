"""The step as a compiler gets it, against the network's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from model import compiled
from model.diffusion import Levels
from model.network_fuser import NetworkFuser
from model.networks import network_of
from model.sastf.config import NetworkConfig
from model.shape import NetworkShape
from model.stfdiff.config import StfdiffConfig
from tests.model.makers import make_block

SHAPES = (
    NetworkConfig(width=16, groups=8, contrast=True, conditions=("dates",)),
    StfdiffConfig(width=16, conditions=("dates",)),
)


def asked(shape: NetworkShape, *, px: int = 64) -> tuple[nn.Module, tuple[object, ...]]:
    """A network of random weights and norms, and what a step is given."""
    torch.manual_seed(0)
    network = network_of(shape).eval()
    for name, parameter in network.named_parameters():
        if (parameter.ndim == 1 and "norm" in name) or ".0." in name:
            nn.init.normal_(parameter, 0.5, 0.5)
    known = torch.rand(5, 2, len(shape.image_channels), px, px)
    with torch.inference_mode():
        features = network.encode(known[4], network.encode_references(*known[:4]))
    one = torch.ones(2)
    x, told = torch.randn(2, shape.bands, px, px), torch.rand(2, len(shape.condition_inputs))
    return network, (x, features, Levels(12.5 * one, 40 * one, 39 * one), told)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.method)
def test_the_copy_for_the_compiler_computes_the_same(shape: NetworkShape) -> None:
    network, given = asked(shape)
    twin = compiled.joinable(network)
    assert not any(isinstance(part, nn.GroupNorm) for part in twin.modules())
    with torch.inference_mode():
        wanted, found = network.denoise(*given), twin.denoise(*given)
    assert wanted.std() > 0.01
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.method)
def test_a_step_is_compiled_as_one_piece(shape: NetworkShape) -> None:
    network, given = asked(shape, px=32)
    with torch.inference_mode():
        step = compiled.compiled(network, backend="eager")  # fullgraph: raises at a break
        wanted = network.denoise(*given)
        far = 2e-3 * float(wanted.abs().max())  # a norm over four pixels magnifies rounding
        torch.testing.assert_close(step(*given), wanted, rtol=0, atol=far)


def test_only_many_steps_on_a_gpu_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = asked(SHAPES[0])
    assert compiled.step_of(network, 50) is None
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)
    monkeypatch.setattr(compiled.shutil, "which", lambda name: "/usr/bin/cc")
    assert compiled.step_of(network, 1) is None
    assert compiled.step_of(network, 50) is not None
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    assert compiled.step_of(network, 50) is None


def test_windows_in_groups_of_any_number_go_through_one_compiled_step() -> None:
    fuser = NetworkFuser.load(None, device="cpu", steps=2, seed=0, samples=0)
    fuser = replace(fuser, windows_at_once=3)  # 5 windows: groups of 3 and 2
    block = make_block(y=64, x=512, days=(2,))
    step = compiled.compiled(fuser.network, backend="eager")
    found, wanted = (one.fuse(block).reflectance for one in (replace(fuser, compiled=step), fuser))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.gpu
def test_on_a_gpu_many_steps_are_compiled_and_give_the_same() -> None:
    fuser = NetworkFuser.load(None, device="cuda", steps=10, seed=0, samples=0)
    assert fuser.compiled is not None
    block = make_block(y=256, x=288, days=(2,))
    found, wanted = (one.fuse(block).reflectance for one in (fuser, replace(fuser, compiled=None)))
    np.testing.assert_allclose(found, wanted, atol=1e-3)
