"""A network as data: tensors, parameters and ops in order, which both backends walk.

Layers describe themselves to a ``PlanBuilder``; the result, a ``Plan``, holds no arrays and no code. The NumPy backend
runs its ops one after another on whole minibatches; the Numba backend lowers them to records for its walker.
"""

from __future__ import annotations

from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Op, Parameter, Plan, Tensor

__all__ = ["Op", "Parameter", "Plan", "PlanBuilder", "Tensor"]
