"""onnxruntime: one row through a session over an ONNX graph of Gemm, Sigmoid and Softmax nodes."""

from __future__ import annotations

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from fastnn.bench.data import Problem
from fastnn.bench.runner import NotOffered, Runner, repeat
from fastnn.bench.workloads import Workload

NODES = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softmax": "Softmax"}


def _session(graph: object, threads: int) -> onnxruntime.InferenceSession:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Run the session on one row."""
    nodes, constants, name = [], [], "x"
    for depth, (W, b) in enumerate(problem.weights, start=1):
        constants += [numpy_helper.from_array(W, f"W{depth}"), numpy_helper.from_array(b, f"b{depth}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{depth}", f"b{depth}"], [f"Z{depth}"]))
        activation = workload.output if depth == len(problem.weights) else workload.hidden
        name = f"A{depth}"
        nodes.append(helper.make_node(NODES[activation], [f"Z{depth}"], [name]))
    graph = helper.make_graph(
        nodes,
        workload.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, workload.sizes[0]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, workload.sizes[-1]])],
        constants,
    )
    session = _session(graph, threads)
    feed = {"x": problem.X[:1].copy()}
    return repeat(lambda: session.run(None, feed)[0])


def elementwise(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Sigmoid of a float32 array (onnxruntime has no float64 sigmoid)."""
    if workload.dtype != "float32":
        raise NotOffered("no float64 sigmoid")
    shape = list(problem.X.shape)
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["a"])],
        workload.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, shape)],
    )
    session = _session(graph, threads)
    feed = {"x": problem.X.copy()}
    return repeat(lambda: session.run(None, feed)[0])
