"""Activations and gradients layer by layer, to see them vanish or explode.

A row of hills: each layer's values as a histogram, the first layer on top. Activations of sigmoid layers that pile up
at 0 and 1 are saturated; gradients that drift to the left from the last layer to the first vanish, to the right explode
[1]. Elements that are exactly 0 (of relu, half or more) would hide the rest: they are left out and their share is said.

[1] Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010,
    sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.plots.figure import BLUE, GRAY, ORANGE, light_axes, sized
from fastnn.validation import positive_whole

Array = np.ndarray[Any, Any]
Models = Sequential | Mapping[str, Sequential]

BINS = 80
MOST_MODELS, MOST_LAYERS = 4, 60
TALLEST = 0.85
"""Height of a hill in rows."""


def activation_histograms(models: Models, x: Any, *, bins: int = BINS, title: str | None = None,
                          figure: Any = None) -> Any:  # fmt: skip
    """Draw the distribution of each layer's outputs on the given samples.

    Parameters
    ----------
    models : Sequential, or mapping of str to Sequential
        Several models of as many layers side by side, by name; at most 4.
    x : array_like (N, ...)
    bins : int
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If there are no or too many models or layers, or the samples do not fit.
    MissingPackageError
        If matplotlib is not installed.
    """
    named = _named(models)
    values = {name: model.layer_outputs(x) for name, model in named.items()}
    rows = {name: [_label(model, place) for place in range(len(model.layers))] for name, model in named.items()}
    return _hills(values, rows, "activation", bins, title, figure)


def gradient_histograms(models: Models, x: Any, y: Any, *, bins: int = BINS, title: str | None = None,
                        figure: Any = None) -> Any:  # fmt: skip
    """Draw the distribution of the gradient's magnitudes in each layer that has weights, on a logarithmic axis.

    The Euclidean norm of each layer's gradient stands at its row.

    Parameters
    ----------
    models : Sequential, or mapping of str to Sequential
        Compiled. Several side by side, by name; at most 4.
    x : array_like (N, ...)
    y : array_like
        Targets as in ``fit``; the gradient is that of the mean loss on these samples.
    bins : int
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError, NotBuiltError
        If there are no or too many models or layers, a model is not compiled, or the data do not fit.
    MissingPackageError
        If matplotlib is not installed.
    """
    values, rows = {}, {}
    for name, model in _named(models).items():
        by_layer = layer_gradients(model, x, y)
        values[name] = list(by_layer.values())
        rows[name] = [f"{_label(model, place)}\nnorm {_norm(g):.1e}" for place, g in by_layer.items()]
    return _hills(values, rows, "magnitude of the gradient", bins, title, figure, logarithmic=True)


def layer_gradients(model: Sequential, x: Any, y: Any) -> dict[int, Array]:
    """Return the gradient of the mean loss by all weights of a layer, as a vector, by the layer's number from 0."""
    gradients = model.gradients(x, y)
    found: dict[int, list[Array]] = {}
    for parameter in model._built_plan().parameters:
        found.setdefault(parameter.layer, []).append(gradients[parameter.name].ravel())
    return {layer: np.concatenate(parts) for layer, parts in found.items()}


def gradient_norms(model: Sequential, x: Any, y: Any) -> dict[int, float]:
    """Return the Euclidean norm of each layer's gradient, by the layer's number from 0."""
    return {layer: _norm(g) for layer, g in layer_gradients(model, x, y).items()}


def _norm(values: Array) -> float:
    """Return a norm without under- or overflow on the way."""
    most = float(np.abs(values).max(initial=0.0))
    if not most or not np.isfinite(most):
        return most
    return most * float(np.sqrt(np.square(values.astype(np.float64) / most).sum()))


def _named(models: Any) -> dict[str, Sequential]:
    found = {"": models} if isinstance(models, Sequential) else models
    if not isinstance(found, Mapping) or not all(isinstance(model, Sequential) for model in found.values()):
        raise InvalidTypeError(f"models must be a Sequential or a mapping of names to some, got {models!r}")
    if not 1 <= len(found) <= MOST_MODELS:
        raise InvalidValueError(f"1 to {MOST_MODELS} models are drawn side by side, got {len(found)}")
    return dict(found)


def _label(model: Sequential, place: int) -> str:
    layer = model.layers[place]
    activation = getattr(getattr(layer, "activation", None), "name", None)
    kind = type(layer).__name__
    return f"{place + 1} {kind}" + ("" if activation in (None, "linear") or kind == "Activation" else f", {activation}")


def _hills(values: Mapping[str, Sequence[Array]], rows: Mapping[str, list[str]], what: str, bins: int,
           title: str | None, figure: Any, *, logarithmic: bool = False) -> Any:  # fmt: skip
    """Draw each model's hills in a panel of its own, all on one horizontal axis."""
    positive_whole("bins", bins)
    most = max(len(layers) for layers in values.values())
    if not 1 <= most <= MOST_LAYERS:
        raise InvalidValueError(f"histograms of 1 to {MOST_LAYERS} layers are drawn, got {most}")
    shown = {name: [_shown(layer, logarithmic) for layer in layers] for name, layers in values.items()}
    everything = [layer for layers in shown.values() for layer in layers if layer.size]
    if not everything:
        raise InvalidValueError(f"no {what} is finite and other than 0")
    low, high = min(float(layer.min()) for layer in everything), max(float(layer.max()) for layer in everything)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    width, row = 4.6 * len(values) + 0.6 if len(values) > 1 else 6.4, 0.5 if most <= 16 else 0.32
    figure = sized(figure, width, max(2.4, row * most + 1.0), title)
    panels = figure.subplots(1, len(values), squeeze=False, sharex=True)[0]
    for panel, (name, layers), color in zip(panels, shown.items(), (BLUE, ORANGE) * MOST_MODELS):
        light_axes(panel)
        panel.grid(visible=False, axis="y")
        panel.spines["left"].set_visible(False)
        for place, layer in enumerate(layers):
            _hill(panel, place, edges, np.histogram(layer, edges)[0], color)
        said = [_said(label, layer) for label, layer in zip(rows[name], values[name])]
        panel.set_yticks(range(len(layers)), said)
        panel.set_ylim(len(layers) - 0.7, -1.0)
        panel.tick_params(axis="y", length=0, labelsize=8.5)
        panel.set_title(name, fontsize=11, loc="left")
        panel.set_xlabel(what, color=GRAY, fontsize=9)
        panel.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
        if logarithmic:
            panel.xaxis.get_major_locator().set_params(integer=True, nbins=5)
            panel.xaxis.set_major_formatter(lambda x, _: f"$10^{{{x:.0f}}}$")
    return figure


def _hill(panel: Any, place: int, edges: Array, height: Array, color: str) -> None:
    """Draw one layer's histogram upwards from its row."""
    top = float(height.max(initial=0)) or 1.0
    panel.stairs(place - TALLEST * height / top, edges, baseline=place, fill=True, color=color, zorder=2)
    panel.axhline(place, color="#b0b0b0", linewidth=0.7, zorder=3)


def _shown(layer: Array, logarithmic: bool) -> Array:
    """Return the values, finite and other than 0, as float64; logarithmic, the decimal logarithms of magnitudes."""
    flat = np.asarray(layer, np.float64).ravel()
    flat = flat[np.isfinite(flat) & (flat != 0)]
    return np.log10(np.abs(flat)) if logarithmic else flat


def _said(label: str, layer: Array) -> str:
    """Return a layer's label with what its hill leaves out."""
    zero, lost = (int(found.sum()) / layer.size for found in (layer == 0, ~np.isfinite(layer)))
    shares = [f"{_percent(share)} {what}" for share, what in ((zero, "zero"), (lost, "not finite")) if share]
    return label if not shares else label + (", " if "\n" in label else "\n") + ", ".join(shares)


def _percent(share: float) -> str:
    return "< 1%" if share < 0.01 else f"{share:.0%}"
