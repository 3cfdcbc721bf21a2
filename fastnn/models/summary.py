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
    for number, layer in enumerate(layers):
        own = [p for p in (*plan.parameters, *plan.statistics) if p.layer == number]
        activation = getattr(getattr(layer, "activation", None), "name", None)
        label = type(layer).__name__ if activation in (None, "linear") else f"{type(layer).__name__} ({activation})"
        shape = ", ".join(str(n) for n in plan.layer_shapes[number])
        rows.append((label, f"(None, {shape})", f"{sum(p.size for p in own):,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(lines[0])
    ends = [f"Parameters in all: {plan.size + plan.statistics_size:,}"]
    if plan.statistics_size:
        ends.append(f"Not trained: {plan.statistics_size:,}")
    return "\n".join([f"Model {name!r}", rule, lines[0], rule, *lines[1:], rule, *ends])
