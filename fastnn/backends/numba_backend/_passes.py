"""What kernels need of Numba's passes, from bytecode to LLVM's IR, in their order.

Kernels hold no closures, array expressions, ``with``, generators, exceptions or counted references. Numba's passes
allow for all of them: five times a function they find out how long each variable lives, to count references by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import compiler, errors, funcdesc, interpreter, ir, transforms, typed_passes, typeinfer, untyped_passes
from numba.core.analysis import dead_branch_prune
from numba.core.ir_utils import build_definitions
from numba.core.rewrites import static_binop, static_getitem
from numba.core.ssa import reconstruct_ssa

from fastnn.backends.numba_backend import _concise

REWRITES = (static_getitem.RewriteConstGetitems, static_getitem.RewriteConstSetitems, static_binop.DetectStaticBinops)
"""What is written in another way where indices and operands are constants."""


class _Interpreter(interpreter.Interpreter):  # type: ignore[misc]
    """Numba's reading of bytecode."""

    def post_process(self, peepholes: list[Any], function: Any) -> Any:
        """Mend what bytecode says in roundabout ways: kernels have arguments after a star, no ``with``, no ``{}``."""
        wanted = (interpreter.peep_hole_list_to_tuple, interpreter.peep_hole_call_function_ex_to_call_function_kw)
        return super().post_process([each for each in peepholes if each in wanted], function)


def translate(state: Any) -> None:
    """Turn bytecode into Numba's IR, in which a loop has one way back."""
    made = _Interpreter(state.func_id).interpret(state.bc)
    assert not made.is_generator, "kernels are no generators"
    made.blocks = transforms.canonicalize_cfg(made.blocks)
    state.func_ir = made


def prune_branches(state: Any) -> None:
    """Remove branches whose conditions are constants: what a maker's arguments decide."""
    if any(isinstance(block.terminator, ir.Branch) for block in state.func_ir.blocks.values()):
        dead_branch_prune(state.func_ir, state.args)


def rewrite(state: Any) -> None:
    """Note which indices and operands are constants."""
    blocks = state.func_ir.blocks
    for kind in REWRITES:
        each = kind(state)
        work = list(blocks.items())
        while work:
            key, block = work.pop()
            if each.match(state.func_ir, block, state.typemap, state.calltypes):
                blocks[key] = each.apply()
                work.append((key, blocks[key]))


def assign_once(state: Any) -> None:
    """Give every assignment a variable of its own."""
    state.func_ir = reconstruct_ssa(state.func_ir)
    state.func_ir._definitions = build_definitions(state.func_ir.blocks)


def infer_types(state: Any) -> None:
    """Find all types of a function.

    Numba goes through all statements again and again until nothing changes; where no way leads back, what is read was
    found before, and once is enough.
    """
    function = state.func_ir
    inferer = typeinfer.TypeInferer(state.typingctx, function, None)
    with state.typingctx.callstack.register(state.targetctx.target, inferer, function.func_id, state.args):
        for index, (name, kind) in enumerate(zip(function.arg_names, state.args, strict=True)):
            inferer.seed_argument(name, index, kind)
        if state.return_type is not None:
            inferer.seed_return(state.return_type)
        inferer.build_constraint()
        if _runs_forward(function.blocks):
            for constraint in inferer.constraints.constraints:
                constraint(inferer)
        else:
            inferer.constraints.propagate = _propagate
            inferer.propagate()
        state.typemap, state.return_type, state.calltypes = inferer.unify()


def _propagate(inferer: Any) -> list[Any]:
    """Let each statement say once more what it makes of the types known; return what is wrong as yet."""
    found = []
    for constraint in inferer.constraints.constraints:
        try:
            constraint(inferer)
        except errors.TypingError as error:
            found.append(error)
    return found


def _runs_forward(blocks: dict[int, Any]) -> bool:
    """Return whether blocks stand in an order in which none leads back to an earlier one or itself."""
    labels = list(blocks)
    return labels == sorted(labels) and all(
        target > label for label, block in blocks.items() for target in block.terminator.get_targets()
    )


def strip_choices(state: Any) -> None:
    """Turn each choice of a variable by the way that was taken into assignments on those ways."""
    state.func_ir = typed_passes.PreLowerStripPhis()._strip_phi_nodes(state.func_ir)


def lower(state: Any) -> None:
    """Write a function as LLVM's IR."""
    described = funcdesc.PythonFunctionDescriptor.from_specialized_function(
        state.func_ir, state.typemap, state.return_type, state.calltypes, mangler=state.targetctx.mangler,
        inline=state.flags.forceinline, noalias=state.flags.noalias, abi_tags=[state.flags.get_mangle_string()],
    )  # fmt: skip
    with state.targetctx.push_code_library(state.library):
        writer = _concise.Lower(state.targetctx, state.library, described, state.func_ir, metadata=state.metadata)
        writer.lower()
    function = state.targetctx.get_executable(state.library, described, writer.env)
    state.targetctx.insert_user_function(function, described, [state.library])
    # a process that compiled much would carry all of it to its end
    for noted in (state.calltypes, state.typemap, state.func_ir.blocks, state.func_ir._definitions):
        noted.clear()
    state["cr"] = compiler._LowerResult(described, writer.call_helper, cfunc=function, env=writer.env)


def _of_numba(kind: Any) -> Callable[[Any], None]:
    return lambda state: kind().run_pass(state)


PASSES: tuple[Callable[[Any], None], ...] = (
    translate,
    _of_numba(untyped_passes.FixupArgs),
    _of_numba(untyped_passes.RewriteSemanticConstants),
    prune_branches,
    rewrite,
    assign_once,
    prune_branches,
    infer_types,
    strip_choices,
    lower,
    _of_numba(typed_passes.NoPythonBackend),
)
