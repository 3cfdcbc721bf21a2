"""Pictures of what a model answers and of what it is made of: the numbers drawn are read back from the figures."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import layers
from fastnn.errors import InvalidTypeError, InvalidValueError, NotBuiltError
from fastnn.layers import Dense
from fastnn.models import Sequential
from fastnn.plots import (
    activation_histograms,
    confusion_matrix,
    decision_boundary,
    gradient_histograms,
    gradient_norms,
    new_figure,
    weight_images,
)

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)


# --- confusion matrix -----------------------------------------------------------------------------


def matrix(figure):
    """Return the numbers in the cells, the colors' values and the names of the classes."""
    axes = figure.axes[0]
    shares = np.asarray(axes.images[0].get_array())
    cells = np.zeros(shares.shape)
    for text in axes.texts:
        column, row = text.get_position()
        cells[row, column] = float(text.get_text())
    return cells, shares, [label.get_text() for label in axes.get_yticklabels()]


def test_confusion_matrix():
    true, found = ["b", "a", "b", "b", "c"], ["b", "a", "a", "b", "b"]
    figure = confusion_matrix(true, found, figure=new_figure())
    cells, shares, names = matrix(figure)
    assert names == ["a", "b", "c"] and figure.axes[0].get_title("left") == "60.0% of 5 right"
    assert cells.tolist() == [[1, 0, 0], [1, 2, 0], [0, 1, 0]]
    np.testing.assert_allclose(shares, [[1, 0, 0], [1 / 3, 2 / 3, 0], [0, 1, 0]])
    percent = matrix(confusion_matrix(true, found, normalize=True, title="T", figure=new_figure()))[0]
    assert percent.tolist() == [[100, 0, 0], [33, 67, 0], [0, 100, 0]]
    ordered = matrix(confusion_matrix(true, found, labels=["c", "b", "a", "d"], figure=new_figure()))
    assert ordered[2] == ["c", "b", "a", "d"]
    assert ordered[0].tolist() == [[0, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_confusion_matrix_of_probabilities_and_columns():
    p = np.array([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3]])
    cells, _, names = matrix(confusion_matrix([1, 2], p, figure=new_figure()))
    assert names == ["0", "1", "2"] and cells.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    named = matrix(confusion_matrix(["y", "z"], p, labels=["x", "y", "z"], figure=new_figure()))
    assert named[2] == ["x", "y", "z"] and (named[0] == cells).all()
    column = matrix(confusion_matrix([[1], [0]], np.array([[1.0], [1.0]]), figure=new_figure()))
    assert column[0].tolist() == [[0, 1], [0, 1]]


def test_many_classes_have_colors_alone():
    y = np.arange(60)
    axes = confusion_matrix(y, y[::-1], figure=new_figure()).axes[0]
    assert not axes.texts and len(axes.get_yticks()) <= 25
    assert (np.asarray(axes.images[0].get_array()) == np.eye(60)[::-1]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], []), InvalidValueError, "no samples"),
        (([1, 2], [1]), InvalidValueError, "shapes"),
        (([1, 2], [0.2, 0.7]), InvalidValueError, "not whole"),
        ((["a", "b"], [1, 2]), InvalidTypeError, "classes of one kind"),
        ((range(101), range(101)), InvalidValueError, "at most 100 classes, got 101"),
    ],
)
def test_confusion_matrix_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(*map(np.array, arguments))


def test_confusion_matrix_refuses_labels():
    with pytest.raises(InvalidValueError, match="y_true holds 3, which is not among the labels"):
        confusion_matrix(np.array([3, 1]), np.array([1, 1]), labels=[1, 2])
    with pytest.raises(InvalidValueError, match="must differ"):
        confusion_matrix([1], [1], labels=[1, 1])
    with pytest.raises(InvalidValueError, match="labels must name 2 classes, got 3"):
        confusion_matrix([1], [[0.5, 0.5]], labels=[1, 2, 3])


# --- decision boundary ----------------------------------------------------------------------------


class Halves:
    """An estimator: "right" where the first feature is positive."""

    def predict(self, x):
        return np.where(x[:, 0] > 0, "right", "left")


def test_decision_boundary_of_an_estimator():
    x = np.array([[-1.0, 0.0], [-1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array(["left", "left", "right", "left"])
    axes = decision_boundary(Halves(), x, y, resolution=51, title="T", figure=new_figure()).axes[0]
    picture = np.asarray(axes.images[0].get_array())
    assert picture.shape == (51, 51, 3) and axes.get_xlim() == (-1.16, 1.16) and axes.get_ylim() == (-0.08, 1.08)
    colors = {tuple(color) for color in picture.reshape(-1, 3)}
    assert len(colors) == 2
    assert (picture[:, :25] == picture[0, 0]).all() and (picture[:, 26:] == picture[0, -1]).all()
    points = {"white": [], "black": []}
    for drawn in axes.collections:
        edges = {(1.0, 1.0, 1.0): "white", (0.0, 0.0, 0.0): "black"}
        edge = edges.get(tuple(drawn.get_edgecolor()[0][:3]))
        if edge:
            points[edge] += map(tuple, drawn.get_offsets())
    assert points["white"] == [(-1.0, 0.0), (-1.0, 1.0), (1.0, 0.0)] and points["black"] == [(1.0, 1.0)]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["left", "right", "1 wrong"]


def test_decision_boundary_stands_upright():
    above = type("Above", (), {"predict": lambda self, x: (x[:, 1] > 0).astype(int)})()
    image = decision_boundary(above, [[0.0, -1.0], [1.0, 1.0]], resolution=40, figure=new_figure()).axes[0].images[0]
    picture = np.asarray(image.get_array())
    assert (picture[:20] == picture[0, 0]).all() and (picture[20:] == picture[-1, 0]).all()
    assert picture[0, 0, 2] > picture[-1, 0, 2]  # blue first
    assert image.origin == "lower" and image.get_extent() == [-0.08, 1.08, -1.16, 1.16]


def boundary_model(units, activation, loss):
    model = Sequential([Dense(units, activation=activation)], dtype="float64", backend="numpy")
    model.compile("sgd", loss)
    model.build(2)
    return model


def test_decision_boundary_is_shaded_by_a_probability():
    model = boundary_model(1, "sigmoid", "binary_crossentropy")
    model.set_weights([np.array([[3.0], [0.0]]), np.zeros(1)])
    x = np.array([[-1.0, -1.0], [1.0, 1.0]])
    axes = decision_boundary(model, x, resolution=31, figure=new_figure()).axes[0]
    row = np.asarray(axes.images[0].get_array())[10]
    paleness = row.mean(axis=1)
    assert (np.diff(paleness[:15]) > 0).all() and (np.diff(paleness[16:]) < 0).all()
    assert row[0, 2] > row[0, 0] and row[-1, 0] > row[-1, 2]  # blue to orange


def test_decision_boundary_of_logits_and_of_several_classes():
    x = np.array([[-1.0, -1.0], [1.0, 1.0]])
    model = boundary_model(1, None, "binary_crossentropy_from_logits")
    model.set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
    picture = np.asarray(decision_boundary(model, x, resolution=30, figure=new_figure()).axes[0].images[0].get_array())
    assert (picture[:, :15] == picture[0, 0]).all() and (picture[:, 15:] == picture[0, -1]).all()
    model = boundary_model(3, "softmax", "sparse_categorical_crossentropy")
    axes = decision_boundary(model, x, [[2], [0]], resolution=30, figure=new_figure()).axes[0]
    _, places = np.unique(np.asarray(axes.images[0].get_array()).reshape(-1, 3), axis=0, return_inverse=True)
    up = np.linspace(-1.16, 1.16, 30)
    answers = model.predict_classes(np.stack(np.meshgrid(up, up), axis=-1).reshape(-1, 2))
    assert len({*zip(places.ravel().tolist(), answers.tolist())}) == len(set(answers.tolist()))


def test_decision_boundary_refuses():
    x = np.zeros((3, 2))
    for wrong in (np.zeros((3, 3)), np.zeros(3), np.zeros((0, 2)), np.array([["a", "b"]])):
        with pytest.raises(InvalidValueError, match="samples \\(N, 2\\)"):
            decision_boundary(Halves(), wrong)
    with pytest.raises(InvalidValueError, match="finite"):
        decision_boundary(Halves(), x * np.nan)
    with pytest.raises(InvalidValueError, match="y must hold 3 classes, got shape \\(2,\\)"):
        decision_boundary(Halves(), x, [0, 1])
    with pytest.raises(InvalidTypeError, match="y holds classes as int64, the model answers <U5"):
        decision_boundary(Halves(), x, [0, 1, 2])
    with pytest.raises(InvalidTypeError, match="a model with predict, got object"):
        decision_boundary(object(), x)
    with pytest.raises(InvalidValueError, match="resolution must be at least 1"):
        decision_boundary(Halves(), x, resolution=0)
    identity = type("Identity", (), {"predict": lambda self, x: x[:, 0]})()
    with pytest.raises(InvalidValueError, match="at most 7 classes, got 200"):
        decision_boundary(identity, x)


# --- weights --------------------------------------------------------------------------------------


def built(*stack, shape):
    model = Sequential(list(stack), backend="numpy")
    model.build(shape)
    return model


def images(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_weights_of_a_dense_layer_are_images():
    model = built(layers.Flatten(), Dense(5), Dense(3), shape=(3, 4))
    W1, W2 = model.weights["W1"], model.weights["W2"]
    figure = weight_images(model, figure=new_figure())
    found = images(figure)
    assert len(found) == 5 and all((image == w.reshape(3, 4)).all() for image, w in zip(found, W1))
    assert figure.get_suptitle() == "W1, layer 2 (Dense)"
    (matrix,) = images(weight_images(model, 2, figure=new_figure()))
    assert (matrix == W2).all()
    few = weight_images(model, most=2, shape=(6, 2), figure=new_figure())
    assert [image.shape for image in images(few)] == [(6, 2)] * 2
    assert few.get_suptitle() == "W1, layer 2 (Dense): the first 2 of 5"
    square = images(weight_images(built(Dense(2), shape=(9,)), figure=new_figure()))
    assert [image.shape for image in square] == [(3, 3)] * 2


def test_filters_of_a_convolution_by_channel():
    model = built(layers.Conv2D(4, (3, 2)), shape=(6, 6, 3))
    figure = weight_images(model, title="T", figure=new_figure())
    found = np.array(images(figure)).reshape(3, 4, 3, 2)
    assert (found == model.weights["W1"].swapaxes(0, 1)).all() and figure.get_suptitle() == "T"
    labels = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert labels == ["channel 1", "channel 2", "channel 3"]


def test_other_weights_are_a_matrix():
    model = built(layers.LSTM(2), shape=(5, 3))
    (matrix,) = images(weight_images(model, figure=new_figure()))
    assert (matrix == model.weights["W1"]).all()
    model = built(layers.Conv1D(4, 3), shape=(8, 20))
    (matrix,) = images(weight_images(model, figure=new_figure()))
    assert (matrix == model.weights["W1"].reshape(4, -1)).all()


def test_weight_images_refuses():
    model = built(Dense(2), layers.Dropout(0.1), shape=(6,))
    with pytest.raises(InvalidTypeError, match="takes a Sequential, got list"):
        weight_images([1])
    with pytest.raises(InvalidValueError, match="layer must be one that has weights to draw, 0; got 1"):
        weight_images(model, 1)
    with pytest.raises(InvalidValueError, match=r"shape must be \(height, width\) with 6 pixels in all, got \(2, 2\)"):
        weight_images(model, shape=(2, 2))
    with pytest.raises(InvalidValueError, match="no layer of the model has weights"):
        weight_images(built(layers.Flatten(), shape=(2, 2)))
    with pytest.raises(NotBuiltError):
        weight_images(Sequential([Dense(2)], backend="numpy"))


# --- activations and gradients --------------------------------------------------------------------


def deep(scale):
    model = Sequential(
        [Dense(6, activation="relu"), Dense(5, activation="sigmoid"), Dense(1)],
        dtype="float64",
        seed=1,
        backend="numpy",
    )
    model.compile("sgd", "mse")
    model.build(4)
    model.parameters[...] *= scale
    return model


X, Y = RNG.standard_normal((30, 4)), RNG.standard_normal(30)


def hills(axes):
    """Return each row's histogram: heights in rows above the row's line, and the edges."""
    data = [patch.get_data() for patch in axes.patches]
    return [place - values for place, (values, _, _) in enumerate(data)], data[0].edges


def test_activations_are_drawn_layer_by_layer():
    model = deep(1.0)
    (axes,) = activation_histograms(model, X, bins=20, title="T", figure=new_figure()).axes
    outputs = [array[array != 0] for array in model.layer_outputs(X)]
    zero = (model.layer_outputs(X)[0] == 0).mean()
    heights, edges = hills(axes)
    assert edges[0] == min(map(np.min, outputs)) and edges[-1] == max(map(np.max, outputs)) and len(edges) == 21
    for height, output in zip(heights, outputs):
        counts = np.histogram(output, edges)[0]
        np.testing.assert_allclose(height / height.max(), counts / counts.max(), atol=1e-12)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"1 Dense, relu\n{zero:.0%} zero", "2 Dense, sigmoid", "3 Dense"]


def test_gradients_are_drawn_as_magnitudes_with_their_norms():
    models = {"small": deep(0.1), "usual": deep(1.0)}
    figure = gradient_histograms(models, X, Y, figure=new_figure())
    assert [axes.get_title("left") for axes in figure.axes] == ["small", "usual"]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    for axes, model in zip(figure.axes, models.values()):
        found = model.gradients(X, Y)
        by_layer = [np.concatenate([found[f"W{n}"].ravel(), found[f"b{n}"]]) for n in (1, 2, 3)]
        heights, edges = hills(axes)
        norms = gradient_norms(model, X, Y)
        for layer, (height, gradient) in enumerate(zip(heights, by_layer)):
            counts = np.histogram(np.log10(abs(gradient[gradient != 0])), edges)[0]
            np.testing.assert_allclose(height / height.max(), counts / counts.max(), atol=1e-12)
            np.testing.assert_allclose(norms[layer], np.linalg.norm(gradient))
            assert f"norm {norms[layer]:.1e}" in axes.get_yticklabels()[layer].get_text()
    small, usual = (gradient_norms(model, X, Y) for model in models.values())
    assert small[0] / small[2] < 0.1 * usual[0] / usual[2]


def test_norms_neither_underflow_nor_overflow():
    from fastnn.plots.layer_histograms import _norm

    assert _norm(np.array([3e-200, 4e-200])) == pytest.approx(5e-200)
    assert _norm(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30)
    assert _norm(np.zeros(3)) == 0 and np.isinf(_norm(np.array([1.0, np.inf]))) and np.isnan(_norm(np.array([np.nan])))


def test_what_is_not_finite_is_said():
    model = deep(1.0)
    model.weights["b3"][...] = np.nan
    (axes,) = activation_histograms(model, X, figure=new_figure()).axes
    assert axes.get_yticklabels()[2].get_text() == "3 Dense\n100% not finite"
    model.parameters[...] = 0
    with pytest.raises(InvalidValueError, match="no magnitude of the gradient is finite and other than 0"):
        gradient_histograms(model, X, 0 * Y)


def test_histograms_refuse():
    with pytest.raises(InvalidTypeError, match="a Sequential or a mapping of names"):
        activation_histograms([deep(1.0)], X)
    with pytest.raises(InvalidValueError, match="1 to 4 models are drawn side by side, got 0"):
        gradient_histograms({}, X, Y)
    with pytest.raises(InvalidValueError, match="x must have 4 features"):
        activation_histograms(deep(1.0), X[:, :2])
    with pytest.raises(InvalidValueError, match="bins must be at least 1"):
        activation_histograms(deep(1.0), X, bins=0)
    model = Sequential([Dense(2)], backend="numpy")
    with pytest.raises(NotBuiltError):
        gradient_histograms(model, X, Y)
