"""Transforms of other libraries as augmenters: torchvision's, kornia's, albumentations', or any callable.

Such transforms draw from global generators (torch's, NumPy's, Python's) or, albumentations' from version 2
on, from one of their own. Around each call all of them are seeded from `ctx.draws` and, as far as they are
global, put back, so that a transform keeps the laws of an augmenter: the seed alone decides, a run that is
stopped goes on with the same bits, and nothing else in the run moves.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Context, Env, View
from lpa3bench.runtime import device as devices

Takes = Literal["tensor", "bytes", "array", "pil"]
_ROUNDING = 1e-4
"""By how much a transform may leave [0, 1] and be clamped: interpolation and colour spaces round."""


def from_transform(
    make: Callable[..., Any],
    *,
    batched: bool = False,
    takes: Takes = "tensor",
    clamp: bool = False,
    name: str | None = None,
) -> type[Augmenter]:
    """An augmenter class around a transform; one line of a plugin file.

        Flip = from_transform(lambda *, p: float = 0.5: v2.RandomHorizontalFlip(p), name="Flip")

    with `register("Flip", Flip)` in its hook. The parameters of `make` are the augmenter's (a `def` can
    annotate them, and config then checks their types), so `Flip.p = 0.3` is bound in gin like any other.

    Args:
        make: builds the transform, once for each network and slot. It takes keyword parameters with
            defaults, or none; what it would take by `*args` and `**kwargs` cannot be bound.
        batched: whether the transform takes a whole batch, as kornia's do, and draws for each image of it;
            otherwise it is called image by image.
        takes: what it is called with. "tensor": float [C, H, W] in [0, 1], or [B, C, H, W] where batched.
            "bytes": the same as uint8, as torchvision's JPEG wants it; what comes back may be either.
            "array": NumPy uint8 [H, W, C], as albumentations wants it: called as `transform(image=array)`,
            which answers `{"image": array}`. "pil": a PIL image, grey or RGB.
        clamp: whether values that leave [0, 1] are cut off there, as where a transform adds noise.
        name: of the class, for messages; without it `make`'s own, if it has one.

    Returns:
        A class to register. Its views are float [B, C, H, W], one of each image, in order, which must lie in
        [0, 1]: a transform that normalises, crops to another size or mixes images is reported. Values that
        leave the range by no more than rounding are clamped in any case.

    Raises:
        ValueError: the arguments do not go together, or a parameter of `make` has no default.
    """
    if takes not in ("tensor", "bytes", "array", "pil"):
        raise ValueError(f"takes: must be 'tensor', 'bytes', 'array' or 'pil', not {takes!r}")
    if batched and takes not in ("tensor", "bytes"):
        raise ValueError(f"batched: a batch is a tensor, not {takes!r}")
    if not (inspect.isfunction(make) or inspect.isclass(make) or isinstance(make, partial)):
        raise ValueError(f"make: must be a function that builds the transform, not {_described(make)}")
    for parameter in _parameters(make):
        if parameter.default is parameter.empty or parameter.kind is parameter.POSITIONAL_ONLY:
            raise ValueError(f"make: {parameter.name!r} must be a keyword with a default, as every parameter")
    own = getattr(make, "__name__", "")
    called = name or (own if own.isidentifier() else "Transform")
    # Where the class was made, which is where its source is looked for: a run is defined by it.
    home = sys._getframe(1).f_globals.get("__name__", __name__)
    members = {
        "__doc__": f"{called}, from a transform.",
        "__module__": home,
        "__qualname__": called,
        "__init__": _constructor(make),
        "_make": staticmethod(make),
        "_batched": batched,
        "_takes": takes,
        "_clamp": clamp,
    }
    return type(called, (_Transformed,), members)


def _parameters(make: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those that have a name: a class without a constructor of its own may inherit `*args, **kwargs`."""
    try:
        found = inspect.signature(make).parameters.values()
    except ValueError as error:  # of some classes written in C
        raise ValueError(f"make: its parameters cannot be told ({error}); wrap it in a function") from error
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _constructor(make: Callable[..., Any]) -> Any:
    """An `__init__` with the parameters of `make`, so that config finds their names, types and defaults."""

    taken = [p.replace(kind=p.KEYWORD_ONLY) for p in _parameters(make)]
    known = inspect.Signature(taken)

    def init(self: Any, **given: Any) -> None:
        known.bind(**given)
        self._given = given

    construct: Any = init
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    construct.__signature__ = inspect.Signature([first, *taken])
    annotated: Any = make.func if isinstance(make, partial) else make
    hints = get_type_hints(annotated.__init__ if inspect.isclass(annotated) else annotated)
    construct.__annotations__ = {p.name: hints[p.name] for p in taken if p.name in hints}
    return construct


class _Transformed(Augmenter):
    """What `from_transform` derives its classes from."""

    _make: Callable[..., Any]
    _batched: bool
    _takes: Takes
    _clamp: bool
    _given: dict[str, Any]
    _transform: Any

    def setup(self, env: Env) -> None:
        """Build the transform; the device is where one with tensors of its own must have them."""
        self._transform = self._make(**self._given)
        if isinstance(self._transform, nn.Module):
            self._transform.to(env.device)

    def describe(self) -> str:
        """The transform as it says itself."""
        return repr(self._make(**self._given))

    @torch.no_grad()
    def generate(self, x: Tensor, ctx: Context) -> View:
        """One view of each image, in order."""
        # A copy, because a transform may work in place; the same draws, whatever the memory's order.
        x = x.clone(memory_format=torch.contiguous_format)
        before = ctx.draws.state_dict()
        with _seeded(ctx.draws.child(), x.device, self._transform) as has_drawn:
            out = self._of_tensor(x) if self._batched else torch.stack([self._of_image(i) for i in x])
            random_at_all = has_drawn()
        if not random_at_all:  # what is the same for every seed can be told from what ignores the seed
            ctx.draws.load_state_dict(before)
        clamped = out.clamp(0, 1)
        if not self._clamp:  # what leaves the range by more than rounding stays, and the guard reports it
            near = (out - clamped).abs().amax(dim=(1, 2, 3), keepdim=True) <= _ROUNDING
            clamped = torch.where(near, clamped, out)
        return View(clamped, torch.arange(len(x), device=x.device))

    def _of_tensor(self, x: Tensor) -> Tensor:
        """Of a batch or of one image, as a tensor."""
        if self._takes == "tensor":
            return _checked(self._transform(x), x)
        answer: Any = self._transform(_bytes(x))
        if isinstance(answer, Tensor):
            answer = answer.to(x.device)  # a decoder may answer on the CPU
            answer = answer.to(x.dtype) / 255 if answer.dtype == torch.uint8 else answer
        return _checked(answer, x)

    def _of_image(self, image: Tensor) -> Tensor:
        if self._takes in ("tensor", "bytes"):
            return self._of_tensor(image)
        pixels = _bytes(image).permute(1, 2, 0).cpu().numpy()
        if self._takes == "array":
            answer: Any = self._transform(image=pixels)
            answer = answer["image"] if isinstance(answer, dict) else answer
        else:
            answer = self._transform(_to_pil(pixels))
        return _from_pixels(answer, image)


def _bytes(x: Tensor) -> Tensor:
    return (x * 255).round().to(torch.uint8)


def _to_pil(pixels: np.ndarray[Any, Any]) -> Any:
    from PIL import Image

    if pixels.shape[2] not in (1, 3):
        raise ValueError(f"takes: a PIL image has 1 or 3 channels, not {pixels.shape[2]}; use 'tensor'")
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def _from_pixels(answer: Any, like: Tensor) -> Tensor:
    """A PIL image, an array [H, W, C] or [H, W] of bytes or floats, or a tensor, as a tensor [C, H, W]."""
    if isinstance(answer, Tensor):  # the transform ends with ToTensor
        return _checked(answer.to(like.device), like)
    pixels = np.asarray(answer)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype not in (np.uint8, np.float32):
        raise ValueError(f"the transform returned {_described(answer)}, not an image of bytes")
    scale = 255 if pixels.dtype == np.uint8 else 1
    image = torch.from_numpy(pixels.copy()).to(like.device, like.dtype).permute(2, 0, 1) / scale
    return _checked(image, like)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """The answer, where it is a tensor like the one that went in."""
    same = isinstance(answer, Tensor) and answer.shape == like.shape and answer.dtype == like.dtype
    if not same:
        wanted = f"a tensor {list(like.shape)} {like.dtype}"
        raise ValueError(
            f"the transform returned {_described(answer)}, not {wanted} like the one it was given"
        )
    tensor: Tensor = answer
    return tensor


def _described(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return f"a tensor {list(answer.shape)} {answer.dtype}"
    shape = f" {list(answer.shape)} {answer.dtype}" if isinstance(answer, np.ndarray) else ""
    return f"a {type(answer).__name__}{shape}"


@contextmanager
def _seeded(seed: int, device: torch.device, transform: Any) -> Iterator[Callable[[], bool]]:
    """Inside the block every generator that a transform may draw from starts from the seed.

    What it yields tells whether any of them has been drawn from by then.

    The global ones are put back after it, whatever happens; a generator of the transform's own (it has
    `set_random_seed`, as in albumentations 2) needs no putting back, because every call seeds it.
    """
    states = devices.generators(device), np.random.get_state(), random.getstate()
    try:
        if device.type == "cpu":
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs too
        else:
            torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        if hasattr(transform, "set_random_seed"):
            transform.set_random_seed(seed)
        start = _positions(device, transform)
        yield lambda: _positions(device, transform) != start
    finally:
        devices.set_generators(device, states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def _positions(device: torch.device, transform: Any) -> list[str]:
    """Where every generator that a transform may draw from stands, as text."""
    torchs = [hash(state.cpu().numpy().tobytes()) for state in devices.generators(device)]
    legacy = [np.asarray(part).tolist() for part in np.random.get_state(legacy=True)]
    own, plain = (getattr(transform, name, None) for name in ("random_generator", "py_random"))
    owned = None if own is None else own.bit_generator.state, None if plain is None else plain.getstate()
    return [repr(part) for part in (torchs, legacy, random.getstate(), owned)]
