"""What a backend makes of a plan: something that runs its programs.

``fastnn.backends.protocol`` names the functions a backend module has; this is the object that ``executor()`` returns.
The four programs: ``predict`` (forward), ``evaluate`` (forward and loss), ``gradients`` (and backward), ``train`` (and
the optimizer's update after every step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastnn.optimizers import Optimizer
from fastnn.plan.data import Data
from fastnn.plan.plan import Plan

Array = np.ndarray[Any, Any]

PROGRAMS = ("predict", "evaluate", "gradients", "train")


@dataclass(frozen=True)
class State:
    """The vectors a program reads and writes in place; all in the network's dtype.

    Attributes
    ----------
    parameters : ndarray (P,)
    gradients : ndarray (P,), optional
        Written by ``gradients``.
    slots : ndarray (S, P), optional
        The optimizer's state.
    statistics : ndarray (Q,), optional
        What layers measure: written by ``train``, read by all.
    carried : ndarray (C, batch), optional
        What stateful layers hand on: written by all programs but ``gradients``. A step has at most ``batch`` samples.
    """

    parameters: Array
    gradients: Array | None = None
    slots: Array | None = None
    statistics: Array | None = None
    carried: Array | None = None


class Draw(NamedTuple):
    """What names the random numbers of a step, with an op's own stream and an element's place in the minibatch.

    Attributes
    ----------
    seed : int
    step : int
        The first step's number; the next steps count on.
    """

    seed: int
    step: int


NO_DRAW = Draw(0, 0)
"""For programs without random ops."""


class Executor(Protocol):
    """Runs the programs of one plan in one dtype on one set of vectors."""

    plan: Plan
    dtype: np.dtype[Any]
    state: State
    optimizer: Optimizer | None

    def run(
        self,
        program: str,
        data: Data,
        batch: int,
        steps: int = 1,
        first: int = 0,
        scalars: Array | None = None,
        out: Array | None = None,
        draw: Draw = NO_DRAW,
        check: bool = False,
    ) -> Array:
        """Run ``steps`` steps of a program.

        Parameters
        ----------
        program : str
            One of ``PROGRAMS``.
        data : Data
        batch : int
            Samples a step; the last step of an epoch takes what is left, and the next starts over.
        steps : int
            With 0, whatever the program needs is compiled and nothing is run.
        first : int
            Position of the first sample in the order.
        scalars : ndarray (steps, K), optional
            The optimizer's scalars for each step, in the network's dtype (``train`` only).
        out : ndarray (>= samples of these steps, M), optional
            Receives the predictions, row 0 for the sample at position ``first``, in the network's dtype, rows
            contiguous. Steps that run past the end of the order cannot be given one.
        draw : Draw
            Names the random numbers.
        check : bool
            Look at the samples on the way (``predict`` only).

        Returns
        -------
        ndarray (steps, 2) of float64
            Each step's sum of the samples' losses and its penalty of the weights. Of ``predict`` zeros; with ``check``,
            1 and 0 for a step whose samples, of a floating-point type, hold NaN or infinity.
        """
        ...
