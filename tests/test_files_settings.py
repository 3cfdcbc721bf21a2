"""Everything registered goes into a file and comes out equal: settings, to JSON text, to an equal object."""

from __future__ import annotations

import dataclasses
import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import activations, initializers, layers, losses, metrics, optimizers, regularizers, schedules
from fastnn.activations import ACTIVATIONS
from fastnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from fastnn.files import Reader, Writer
from fastnn.files.safetensors import strict_json, to_json
from fastnn.initializers import INITIALIZERS
from fastnn.layers import LAYERS
from fastnn.losses import LOSSES
from fastnn.metrics import METRICS
from fastnn.optimizers import OPTIMIZERS
from fastnn.schedules import SCHEDULES

BENT = activations.get("elu").with_alpha(0.1 + 0.2)
PENALTY = regularizers.L1L2(0.1, 1e-300)
DENSE = {
    "use_bias": False, "activation": BENT, "kernel_initializer": initializers.RandomNormal(0.1, 0.2),
    "bias_initializer": "ones", "kernel_regularizer": PENALTY, "bias_regularizer": "l1", "activity_regularizer": "l2",
}  # fmt: skip
CELL = {
    **DENSE, "recurrent_initializer": "identity" if "identity" in INITIALIZERS else "zeros",
    "recurrent_regularizer": PENALTY, "dropout": 0.1, "recurrent_dropout": 0.3, "return_sequences": True,
    "return_state": True, "go_backwards": True, "stateful": True, "input_shape": (5, 2),
}  # fmt: skip
IMAGE, STEPS = {"input_shape": (9, 9, 2)}, {"input_shape": (9, 2)}
CONVOLUTION = {"kernel_size": (3, 2), "padding": "same", **DENSE, **IMAGE}
SCALED = {
    "axis": (-1,), "epsilon": 1e-7, "center": False, "scale": False, "beta_initializer": "ones",
    "gamma_initializer": "zeros", "beta_regularizer": "l2", "gamma_regularizer": PENALTY, "input_shape": (3,),
}  # fmt: skip
WINDOWS = {"strides": 3, "padding": "same"}

LAYER_CASES = {
    "dense": [{"units": 3, **DENSE, "input_shape": 4}],
    "activation": [{"activation": "softmax", "input_shape": (3,)}],
    "add": [{"branches": [[layers.Dense(2)], [layers.Dense(2, "relu"), layers.Dropout(0.1)], []]}],
    "residual": [{"layers": [layers.Dense(3), layers.Residual(layers.ReLU())], "shortcut": [layers.Dense(3)]}],
    "concatenate": [{"branches": [[], [layers.Concatenate([[layers.Dense(1)], []])]], "axis": 1}],
    "flatten": [IMAGE],
    "reshape": [{"target_shape": (-1, 2), "input_shape": 6}],
    "dropout": [{"rate": 0.7, "input_shape": 6}],
    "spatial_dropout_1d": [{"rate": 0.7, **STEPS}],
    "spatial_dropout_2d": [{"rate": 0.7, **IMAGE}],
    "gaussian_noise": [{"stddev": 0.3, "input_shape": [6]}],
    "embedding": [{"input_dim": 5, "output_dim": 2, "embeddings_initializer": "ones", "embeddings_regularizer": "l2",
                   "mask_zero": True, "input_shape": 4}],
    "prelu": [{"alpha_initializer": "ones", "alpha_regularizer": "l1", "shared_axes": [1, 2], **IMAGE}],
    "relu": [{"negative_slope": 0.1, "input_shape": 2}],
    "leaky_relu": [{"negative_slope": 0.1, "input_shape": 2}],
    "elu": [{"alpha": 0.1, "input_shape": 2}],
    "softmax": [{"axis": 1, "input_shape": 2}],
    "activity_regularization": [{"l1": 0.1, "l2": 0.2, "input_shape": 2}],
    "layer_normalization": [SCALED],
    "batch_normalization": [{**SCALED, "momentum": 0.5, "moving_mean_initializer": "ones",
                             "moving_variance_initializer": initializers.Constant(3.0)}],
    **{f"{kind}_pooling_{n}d": [{"pool_size": 3, **WINDOWS, **shape}]
       for kind in ("max", "average") for n, shape in ((1, STEPS), (2, IMAGE))},
    **{f"global_{kind}_pooling_{n}d": [{"keepdims": True, **shape}]
       for kind in ("max", "average") for n, shape in ((1, STEPS), (2, IMAGE))},
    "zero_padding_1d": [{"padding": (1, 2), **STEPS}],
    "zero_padding_2d": [{"padding": ((1, 2), (0, 3)), **IMAGE}],
    "cropping_1d": [{"cropping": (1, 2), **STEPS}],
    "cropping_2d": [{"cropping": (1, 2), **IMAGE}],
    "up_sampling_1d": [{"size": 3, **STEPS}],
    "up_sampling_2d": [{"size": (3, 1), **IMAGE}],
    "permute": [{"dims": (2, 1), **STEPS}],
    "conv1d": [{"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2, "groups": 2, **DENSE, **STEPS},
               {"filters": 4, "kernel_size": 3, "dilation_rate": 2}],
    "conv2d": [{"filters": 4, "strides": 2, "groups": 2, **CONVOLUTION},
               {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 2)}],
    "depthwise_conv2d": [{"depth_multiplier": 2, "strides": 2, **CONVOLUTION,
                          "depthwise_initializer": "ones", "depthwise_regularizer": PENALTY},
                         {"kernel_size": 2, "dilation_rate": 2}],
    "conv2d_transpose": [{"filters": 4, "strides": 2, "groups": 2, "output_padding": (1, 0), **CONVOLUTION},
                         {"filters": 4, "kernel_size": 3, "dilation_rate": 2}],
    "simple_rnn": [{"units": 3, **CELL}],
    "lstm": [{"units": 3, **CELL, "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False}],
    "gru": [{"units": 3, **CELL, "recurrent_activation": "relu"}],
    "bidirectional": [{"layer": layers.GRU(2), "merge_mode": "sum", "backward_layer": layers.LSTM(2, go_backwards=True),
                       **STEPS}],
    "time_distributed": [{"layer": layers.Dense(2, "tanh"), **STEPS}],
    "masking": [{"mask_value": -0.1, **STEPS}],
}  # fmt: skip
"""Settings of each layer that are not the defaults."""

ONE_VALUE = {("GRU", "reset_after"), ("UpSampling2D", "interpolation"),
             ("LayerNormalization", "axis"), ("BatchNormalization", "axis")}  # fmt: skip
"""Settings that accept their default only."""

OPTIMIZER_CASES = {
    "sgd": {"momentum": 0.1, "nesterov": True},
    "rmsprop": {"rho": 0.1, "momentum": 0.3, "epsilon": 1e-3, "centered": True},
    "adam": {"beta_1": 0.1, "beta_2": 0.2, "epsilon": 0.3, "amsgrad": True},
    "adamw": {"beta_1": 0.1, "beta_2": 0.2, "epsilon": 0.3, "amsgrad": True},
    "nadam": {"beta_1": 0.1, "beta_2": 0.2, "epsilon": 0.3},
    "adagrad": {"initial_accumulator_value": 0.3, "epsilon": 0.1},
    "adadelta": {"rho": 0.1, "epsilon": 0.3},
    "rprop": {"eta_minus": 0.3, "eta_plus": 1.3, "step_min": 1e-5, "step_max": 3.0, "weight_decay": None},
}

INITIALIZER_CASES = {
    "constant": {"value": -0.1},
    "orthogonal": {"gain": 0.1},
    "random_normal": {"mean": 0.1, "stddev": 0.3},
    "random_uniform": {"minval": -0.3, "maxval": 0.7},
    "truncated_normal": {"mean": 0.1, "stddev": 0.3},
    "variance_scaling": {"scale": 0.1, "mode": "fan_avg", "distribution": "uniform"},
}

SCHEDULE_CASES = {
    "step_decay": {"initial_learning_rate": 0.1, "step_size": 3, "gamma": 0.3},
    "piecewise_constant_decay": {"boundaries": [2, 3], "values": [0.1, 0.2, 0.3]},
    "linear_warmup": {"schedule": schedules.StepDecay(0.1, 3), "warmup_steps": 7, "initial_learning_rate": 0.05},
}


def through_a_file(value, custom=None):
    writer = Writer()
    text = to_json(writer.write(value, "value"))
    assert custom is not None or not writer.custom
    return Reader(writer.arrays, custom).read(strict_json(text), "value")


def check(value):
    found = through_a_file(value)
    assert type(found) is type(value)
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    made = [LAYERS[name](**settings) for settings in LAYER_CASES[name]]
    for layer in made:
        check(layer)
    if dataclasses.is_dataclass(made[0]) and name != "residual":
        for field in dataclasses.fields(made[0]):
            values = [getattr(layer, field.name) for layer in made]
            default = field.default
            if default is not dataclasses.MISSING and (type(made[0]).__name__, field.name) not in ONE_VALUE:
                assert any(value != default for value in values), f"no case sets {field.name}"


def test_every_layer_has_a_case():
    assert set(LAYER_CASES) == set(LAYERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    clips = [{"clipvalue": 0.3}, {"clipnorm": 0.4}, {"global_clipnorm": 0.7}]
    special = OPTIMIZER_CASES.get(name, {})
    for clip in clips:
        settings = {"learning_rate": 0.1 + 0.2, "weight_decay": 0.7, **special, **clip}
        accepted = {f.name for f in dataclasses.fields(OPTIMIZERS[name]) if f.init}
        assert accepted - settings.keys() <= {"clipvalue", "clipnorm", "global_clipnorm"} or name not in OPTIMIZER_CASES
        check(OPTIMIZERS[name](**{k: v for k, v in settings.items() if k in accepted}))
    if name != "rprop":
        check(OPTIMIZERS[name](schedules.StepDecay(0.1, 5)))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializers(name):
    check(INITIALIZERS[name]())
    check(INITIALIZERS[name](**INITIALIZER_CASES.get(name, {})))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    settings = SCHEDULE_CASES.get(name)
    if settings is None:
        kinds = {"int": 7, "float": 0.3, "bool": True, "float | None": 0.3}
        fields = dataclasses.fields(SCHEDULES[name])
        settings = {f.name: kinds.get(str(f.type), 0.3) for f in fields if f.default is dataclasses.MISSING}
        settings |= {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    schedule = SCHEDULES[name](**settings)
    check(schedule)
    assert through_a_file(schedule)([0, 3, 900]).tolist() == schedule([0, 3, 900]).tolist()


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name):
    cls = METRICS[name]
    settings = {"threshold": 0.1, "k": 3}
    accepted = {k: v for k, v in settings.items() if k in inspect.signature(cls).parameters}
    assert accepted.keys() == inspect.signature(cls).parameters.keys(), "an argument without a case"
    metric = cls(**accepted)
    metric.name = "another"
    rng = np.random.default_rng(0)
    sparse = name.startswith("sparse")
    true, pred = rng.integers(0, 2, (9, 1)), rng.standard_normal((9, 1))
    if "categorical" in name:
        pred = rng.standard_normal((9, 5))
        true = rng.integers(0, 5, 9) if sparse else np.eye(5)[rng.integers(0, 5, 9)]
    metric.update(true, pred)
    twin = through_a_file(metric)
    assert type(twin) is cls
    assert twin.name == "another"
    assert math.isnan(twin.result()), "settings only"
    twin.load_state(through_a_file(metric.state()))
    metric.update(true[:4], pred[:4])
    twin.update(true[:4], pred[:4])
    assert twin.result() == metric.result()
    assert vars(twin).keys() == vars(metric).keys()
    assert through_a_file(cls) is cls


def test_activations_and_losses():
    for name in ACTIVATIONS:
        assert through_a_file(activations.get(name)) is activations.get(name)
    for name in LOSSES:
        assert through_a_file(losses.get(name)) is losses.get(name)
    check(BENT)
    check(losses.Huber(0.1 + 0.2))
    for found in regularizers.NAMED.values():
        check(found)
    check(PENALTY)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_are_read_back_to_the_bit(value):
    assert repr(through_a_file(value)) == repr(value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint32", "bool"])
def test_arrays_and_scalars_keep_their_type(dtype):
    array = np.array([[0, 1, 1]], dtype)
    found = through_a_file({"a": [array, array[0, 1]]})["a"]
    assert found[0].dtype == array.dtype and (found[0] == array).all() and found[0].flags.writeable
    assert type(found[1]) is type(array[0, 1]) and found[1] == array[0, 1]


def own(z):
    return z * z


class OwnMetric(metrics.MeanOverSamples):
    name = "own metric"

    def __init__(self, power=1):
        self.power = power
        super().__init__()

    def values(self, y_true, y_pred):
        return np.abs(np.asarray(y_true) - np.asarray(y_pred)).reshape(-1) ** self.power


class OwnLayer(layers.Dense):
    pass


def test_what_is_not_registered_is_passed_by_name():
    layer = layers.Dense(2, own)
    found = through_a_file(layer, {"own": own})
    assert found.activation.function is own
    with pytest.raises(InvalidValueError, match=r"needs custom_objects=.* 'own' \(activation\)"):
        through_a_file(layer, {})
    metric = through_a_file(OwnMetric(3), {"OwnMetric": OwnMetric})
    assert type(metric) is OwnMetric and metric.power == 3
    assert through_a_file([OwnMetric], {"OwnMetric": OwnMetric}) == [OwnMetric]
    function = through_a_file(metrics.FunctionMetric(own, "shown"), {"own": own})
    assert function.function is own and function.name == "shown"
    assert type(through_a_file(OwnLayer(2), {"OwnLayer": OwnLayer})) is OwnLayer
    assert through_a_file(optimizers.SGD(own), {"own": own}).learning_rate is own
    with pytest.raises(InvalidValueError, match="two different ones are called '<lambda>'"):
        Writer().write([lambda z: z, lambda z: 2 * z], "value")
    with pytest.raises(InvalidTypeError, match=r"cannot hold value\.a\.0: .* of type object"):
        Writer().write({"a": [object()]}, "value")


@pytest.mark.parametrize(
    "tree",
    [
        {"layer": ["dense", {"units": 0}]},
        {"layer": ["dense", {"units": 3, "more": 1}]},
        {"layer": ["dense", {"units": 3, "activation": {"tuple": ["a", "b"]}}]},
        {"layer": ["dense", {"units": {"float": "nan"}}]},
        {"layer": ["dense", []]},
        {"layer": ["dense"]},
        {"layer": ["os.system", {}]},
        {"layer": 3},
        {"layer": ["dense", {"units": 3}], "more": 1},
        {"activation": ["relu", 3.0]},
        {"activation": "ab"},
        {"activation": [[], None]},
        {"loss": ["mse", 1.0]},
        {"regularizer": [-1, 0]},
        {"regularizer": {"a": 1}},
        {"float": "1.0"},
        {"float": []},
        {"scalar": ["O", 1]},
        {"scalar": ["int64", 10**30]},
        {"scalar": ["float64", "x"]},
        {"array": "missing"},
        {"array": {}},
        [{"array": "there"}, {"array": "there"}],
        {"dict": [[1, 2], [1, 3]]},
        {"dict": [[[], 2]]},
        {"dict": 3},
        {"tuple": {}},
        {"unknown": 1},
        {"custom": 3},
        {"custom": ["activation"]},
        {"custom": [["a"], ["b"]]},
        {"metric class": "fastnn.metrics"},
        {"schedule": ["linear_warmup", {"schedule": {"dict": []}, "warmup_steps": 3}]},
        {},
    ],
)
def test_a_tree_that_means_nothing_is_one_error(tree):
    reader = Reader({"there": np.zeros(1)}, {})
    with pytest.raises(FileFormatError):
        reader.read(tree, "value")
    with pytest.raises(FileFormatError, match="cannot be 3"):
        reader.read(3, "value", str)
