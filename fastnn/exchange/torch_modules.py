"""PyTorch modules for what ``torch.nn`` has no module for; samples are shaped as in fastnn, channels last.

Loaded by ``to_torch``; nothing else imports this file, since it needs PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class ChannelsFirst(nn.Module):  # type: ignore[misc]
    """Hand samples (N, ..., channels) to a module that takes (N, channels, ...): views, nothing is copied.

    Parameters
    ----------
    inner : Module
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """Return what the module makes of it, channels last."""
        return self.inner(x.movedim(-1, 1)).movedim(1, -1)


class Recurrent(nn.Module):  # type: ignore[misc]
    """A recurrent module that puts out all steps or the last, and may read from the end.

    Parameters
    ----------
    core : RNN, LSTM or GRU
        Of one layer and direction, ``batch_first``.
    return_sequences, go_backwards : bool
        As of fastnn's layers.
    aligned : bool
        Whether the outputs of a sequence read from its end are put in the order of the sequence.
    """

    def __init__(self, core: Any, return_sequences: bool, go_backwards: bool, aligned: bool = False) -> None:
        super().__init__()
        self.core = core
        self.return_sequences, self.go_backwards, self.aligned = return_sequences, go_backwards, aligned

    def forward(self, x: Any) -> Any:
        """Return (N, steps, units) or (N, units)."""
        steps = self.core(x.flip(1) if self.go_backwards else x)[0]
        if not self.return_sequences:
            return steps[:, -1]
        return steps.flip(1) if self.go_backwards and self.aligned else steps


class Bidirectional(nn.Module):  # type: ignore[misc]
    """Two recurrent modules over one sequence, and their outputs joined.

    Parameters
    ----------
    forwards, backwards : Recurrent
        Both aligned.
    merge_mode : "concat", "sum", "mul" or "ave"
    """

    def __init__(self, forwards: Recurrent, backwards: Recurrent, merge_mode: str) -> None:
        super().__init__()
        self.forwards, self.backwards, self.merge_mode = forwards, backwards, merge_mode

    def forward(self, x: Any) -> Any:
        """Return the joined outputs."""
        a, b = self.forwards(x), self.backwards(x)
        if self.merge_mode == "concat":
            return torch.cat([a, b], -1)
        if self.merge_mode == "mul":
            return a * b
        return a + b if self.merge_mode == "sum" else (a + b) / 2


class Branches(nn.Module):  # type: ignore[misc]
    """Branches that read the same samples, their outputs added or joined along an axis.

    Parameters
    ----------
    branches : list of Module
    axis : int or None
        None adds.
    """

    def __init__(self, branches: list[Any], axis: int | None) -> None:
        super().__init__()
        self.branches, self.axis = nn.ModuleList(branches), axis

    def forward(self, x: Any) -> Any:
        """Return the sum or the join."""
        ends = [branch(x) for branch in self.branches]
        if self.axis is not None:
            return torch.cat(ends, self.axis)
        total = ends[0]
        for end in ends[1:]:
            total = total + end
        return total


class Permute(nn.Module):  # type: ignore[misc]
    """A sample's axes in another order; ``dims`` are counted from 1, as of fastnn's layer."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Any) -> Any:
        """Return the permuted samples."""
        return x.permute(0, *self.dims)


class MeanOfCells(nn.Module):  # type: ignore[misc]
    """Average pooling with other padding in front than behind; the mean is over the cells that exist.

    Parameters
    ----------
    pool : AvgPool1d or AvgPool2d
        Without padding.
    pad : Module
        What adds the zeros.
    """

    def __init__(self, pool: Any, pad: Any) -> None:
        super().__init__()
        self.pool, self.pad = pool, pad

    def forward(self, x: Any) -> Any:
        """Return the means."""
        return self.pool(self.pad(x)) / self.pool(self.pad(torch.ones_like(x)))


class MaxOfCells(nn.Module):  # type: ignore[misc]
    """Max pooling with other padding in front than behind.

    Parameters
    ----------
    pool : MaxPool1d or MaxPool2d
        Without padding.
    pad : Module
        What adds minus infinity.
    """

    def __init__(self, pool: Any, pad: Any) -> None:
        super().__init__()
        self.pool, self.pad = pool, pad

    def forward(self, x: Any) -> Any:
        """Return the greatest values."""
        return self.pool(self.pad(x))


class Slopes(nn.Module):  # type: ignore[misc]
    """``x`` where it is positive, else ``alpha * x``, with an alpha of any shape that samples stretch to."""

    def __init__(self, alpha: Any) -> None:
        super().__init__()
        self.alpha = nn.Parameter(alpha)

    def forward(self, x: Any) -> Any:
        """Return the rectified samples."""
        return torch.where(x > 0, x, self.alpha * x)


class EachStep(nn.Module):  # type: ignore[misc]
    """A module applied to every step of a sequence as if it were a sample.

    Parameters
    ----------
    inner : Module
    """

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """Return (N, steps, ...)."""
        return self.inner(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class GaussianNoise(nn.Module):  # type: ignore[misc]
    """Normal numbers of a standard deviation added in training."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Any) -> Any:
        """Return the samples, noisy in training."""
        return x + self.stddev * torch.randn_like(x) if self.training else x


class Exponential(nn.Module):  # type: ignore[misc]
    """``exp(x)``."""

    def forward(self, x: Any) -> Any:
        """Return the exponentials."""
        return x.exp()
