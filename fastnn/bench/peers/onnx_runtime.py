"""onnxruntime: a batch through a session over an ONNX graph, such as an exporter would write."""

from __future__ import annotations

import onnxruntime
from onnx import TensorProto, helper

from fastnn.bench.data import Problem
from fastnn.bench.peers.onnx_layers import channels_first, graph_parts
from fastnn.bench.runner import NotOffered, Runner, repeat
from fastnn.bench.workloads import Workload


def _session(graph: object, threads: int) -> onnxruntime.InferenceSession:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def predict(workload: Workload, problem: Problem, threads: int) -> Runner:
    """Run the session on a batch."""
    nodes, constants, name = graph_parts(workload.network, problem.weights)
    rows = channels_first(problem.X[: workload.batch])
    outputs = [workload.batch, workload.network.outputs]
    graph = helper.make_graph(
        nodes,
        workload.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(rows.shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, outputs)],
        constants,
    )
    session = _session(graph, threads)
    feed = {"x": rows}
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
