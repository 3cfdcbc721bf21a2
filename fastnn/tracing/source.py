"""Straight-line Python text for an expression graph, and the function that the text defines.

The text is a formula in the sense of ``fastnn.formulas.primitives``: assignments and one return, typed
constants ``like(z, c)``, no branches. NumPy evaluates it on arrays and the Numba backend compiles it on
scalars. A node used more than once, or whose expression grows long, gets a name; the rest is written in
place.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Sequence
from typing import Any

from fastnn import formulas
from fastnn.formulas import primitives
from fastnn.tracing.graph import COMPARISONS, FORMULAS, Node, ancestors

INFIX = frozenset({"+", "-", "*", "/", "&", "|", *COMPARISONS})
PREFIX = {"negative": "-", "~": "~"}
LONGEST_INLINE = 48
"""Characters an expression may have to be written in place."""

NAMES: dict[str, Any] = {
    "like": primitives.like,
    "where": primitives.where,
    "sqrt": primitives.sqrt,
    "inf": float("inf"),
    "nan": float("nan"),
    **{name: getattr(formulas, name) for name in FORMULAS},
}
"""What the text may refer to, besides the builtin ``abs``."""


def write_function(
    name: str,
    parameters: Sequence[str],
    output: Node,
    *,
    typed_like: str,
    known: tuple[Node, str] | None = None,
) -> str:
    """Return the text of a function.

    Parameters
    ----------
    name : str
        What the function is called.
    parameters : sequence of str
        Its parameters; each argument node bears the name of one.
    output : Node
        What it returns.
    typed_like : str
        The parameter whose dtype (and shape, where the output depends on no parameter) the result has.
    known : (Node, str), optional
        A node that a parameter already holds, and that parameter.
    """
    output = _computed(output)
    names = {} if known is None else {_computed(known[0]).index: known[1]}
    nodes = list(ancestors([output], lambda node: () if node.index in names else _inputs(node)))
    uses: dict[int, int] = {}
    for node in nodes:
        for inner in () if node.index in names else _inputs(node):
            uses[inner.index] = uses.get(inner.index, 0) + 1

    lines: list[str] = []
    texts: dict[int, str] = {}
    for node in nodes:
        if node.index in names:
            texts[node.index] = names[node.index]
            continue
        text = _expression(node, [texts[inner.index] for inner in _inputs(node)], typed_like)
        shared = uses.get(node.index, 0) > 1 or len(text) > LONGEST_INLINE
        if shared and _inputs(node) and node is not output:
            lines.append(f"t{len(lines) + 1} = {text}")
            text = f"t{len(lines)}"
        elif node.operation in INFIX or node.operation in PREFIX:
            text = f"({text})"
        texts[node.index] = text

    result = texts[output.index]
    if not any(node.operation == "argument" or node.index in names for node in nodes):
        lines.append(f"c = {result}")
        result = f"where({typed_like} == {typed_like}, c, c)"  # in the shape of the argument
    elif result.startswith("(") and output.index not in names:
        result = result[1:-1]
    body = "".join(f"    {line}\n" for line in [*lines, f"return {result}"])
    return f"def {name}({', '.join(parameters)}):\n{body}"


def compile_function(source: str, name: str) -> Callable[..., Any]:
    """Return the function called ``name`` that ``source`` defines; tracebacks show its lines."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    filename = f"<fastnn traced {name} {digest}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = {"__name__": "fastnn.tracing.generated", "__builtins__": {"abs": abs}, **NAMES}
    exec(compile(source, filename, "exec"), namespace)
    function: Callable[..., Any] = namespace[name]
    return function


def _computed(node: Node) -> Node:
    """Return the node that computes the value of ``node``."""
    while node.operation == "given":
        node = node.arguments[0]
    return node


def _inputs(node: Node) -> list[Node]:
    return [_computed(argument) for argument in node.arguments]


def _expression(node: Node, inputs: list[str], typed_like: str) -> str:
    if node.operation == "argument":
        return str(node.value)
    if node.operation == "constant":
        return f"like({typed_like}, {node.value!r})"
    if node.operation in INFIX:
        return f"{inputs[0]} {node.operation} {inputs[1]}"
    if node.operation in PREFIX:
        return f"{PREFIX[node.operation]}{inputs[0]}"
    plain = (text[1:-1] if text.startswith("(") else text for text in inputs)
    return f"{node.operation}({', '.join(plain)})"
