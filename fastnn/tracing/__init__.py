"""Custom activations and losses: a plain Python function becomes formulas that both backends run alike.

The function is called once, with stand-ins that record an expression graph (``tracer.py``). The graph is
differentiated (``derivative.py``) and written out as straight-line Python (``source.py``). What stands in
the function must therefore be elementwise: arithmetic, comparisons, ``np.where`` and the NumPy functions in
``numpy_functions.py``, which become fastnn's own. Everything is computed in the dtype of the argument,
float32 or float64; a Python loop or ``if`` over numbers known beforehand is fine, and is unrolled.
"""

from fastnn.tracing.trace import TracedActivation, TracedLoss, trace_activation, trace_loss

__all__ = ["TracedActivation", "TracedLoss", "trace_activation", "trace_loss"]
