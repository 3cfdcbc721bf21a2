"""The table that ``summary`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.layers.base import Layer
from fastnn.plan.plan import Plan


def summary_table(name: str, layers: Sequence[Layer], plan: Plan) -> str:
    """Return layers, output shapes and parameter counts as a table.

    Parameters
    ----------
    name : str
    layers : sequence of Layer
    plan : Plan
        The forward plan of these layers.
    """
    rows = [("Layer", "Output shape", "Parameters")]
    features = plan.inputs.rows
    for number, layer in enumerate(layers):
        own = [p for p in plan.parameters if p.layer == number]
        features = getattr(layer, "units", features)
        activation = getattr(getattr(layer, "activation", None), "name", None)
        label = type(layer).__name__ if activation in (None, "linear") else f"{type(layer).__name__} ({activation})"
        rows.append((label, f"(None, {features})", f"{sum(p.size for p in own):,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    return "\n".join([f"Model {name!r}", rule, lines[0], rule, *lines[1:], rule, f"Parameters in all: {plan.size:,}"])
