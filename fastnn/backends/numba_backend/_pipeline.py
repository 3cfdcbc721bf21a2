"""Compiles kernels with Numba: its typing and lowering, our linking and optimizing, one object file an op.

Numba makes every function a library of its own, with wrappers for Python and C, optimizes it, and generates machine
code for it, although what ops are made of is only ever linked into them. Here such a function stops at LLVM's IR
(``Source``); an op takes all it calls into one module, which is optimized once. Kernels allocate nothing, so Numba's
reference counts are left out from the start. And what Numba looks up again and again for every ``+`` of every kernel
is looked up once. (``fastnn bench start`` prints what a program takes from an empty cache.)
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import compiler, registry, typed_passes, untyped_passes
from numba.core.analysis import dead_branch_prune
from numba.core.base import BaseContext
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUTargetOptions
from numba.core.runtime.nrt import rtsys
from numba.core.types.functions import BaseFunction
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template
from numba.core.typing.typeof import typeof_impl
from numba.extending import overload

from fastnn.backends.numba_backend import _compiling, _jit

__all__ = ["OPTIONS", "Kernels", "assembly", "intrinsic_type", "machine_code", "numba", "tell"]

OPTIONS: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False,
                           **_jit.FLAGS}  # fmt: skip
"""Numba's options for kernels."""

_compiling.hold_interrupts()


def _fresh_ids() -> Iterator[int]:
    import secrets

    while True:
        yield secrets.randbits(63)


FunctionIdentity._unique_ids = _fresh_ids()
"""Numbers that tell functions of one name apart in compiled code. Numba counts them from 1 in each process, so closures
that two processes compiled and cached may bear one number; a third process that loads both runs the first in place of
the second (RMSprop's update in a model with Adagrad, say)."""


# --- what stands in for Numba's own in the kernels' files -----------------------------------------


@typeof_impl.register(_jit.Entry)
@typeof_impl.register(_jit.Inner)
def _typeof_function(value: Any, context: Any) -> Any:
    return types.Dispatcher(value.compiled)


@typeof_impl.register(_jit.Intrinsic)
def _typeof_intrinsic(value: _jit.Intrinsic, context: Any) -> Any:
    return value.kind


@typeof_impl.register(_jit.Borrowed)
def _typeof_borrowed(value: _jit.Borrowed, context: Any) -> Any:
    real, typing = value.real, registry.cpu_target.typing_context
    typing.refresh()
    return typing.resolve_value_type(real)


def intrinsic_type(handle: Any, definition: Callable[..., Any], prefer_literal: bool) -> Any:
    """Return Numba's type of LLVM code that ``definition`` makes."""
    template = make_intrinsic_template(handle, definition, definition.__name__, prefer_literal=prefer_literal)
    infer(template)
    return types.Function(template)


_KEPT: list[Any] = []
"""Dispatchers that Numba refers to weakly."""


def _tell(what: str, function: Callable[..., Any], stands_in: Any) -> None:
    if what == "function":
        _KEPT.append(stands_in.compiled)
        infer_global(function, types.Dispatcher(stands_in.compiled))
    elif what == "intrinsic":
        infer_global(function, intrinsic_type(function, stands_in, False))
    else:
        jit_options = {"pipeline_class": Kernels, "forceinline": True, **OPTIONS}
        overload(function, jit_options=jit_options, strict=False)(stands_in)


def tell() -> None:
    """Tell Numba what stands in for functions of plain Python, as far as it has not been told."""
    while _jit.PENDING:
        _tell(*_jit.PENDING.pop(0))


# --- libraries ------------------------------------------------------------------------------------


KNOWN = {"sched_yield"}
"""What kernels call outside and every process can find, beside what LLVM itself inserts."""


class _Codegen:
    """Numba's code generator without the step that writes into code which is not there."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, env: Any) -> None:
        """Leave the environment alone: kernels raise no exceptions and hold no objects of Python's."""


class Source(JITCodeLibrary):  # type: ignore[misc]
    """A function as IR, to be linked into what calls it; never machine code."""

    @property
    def codegen(self) -> Any:
        return _Codegen(self._codegen)

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def add_linking_library(self, library: Any) -> None:
        if library is not rtsys.library:
            super().add_linking_library(library)

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def optimize(self, symbol: str, apart: str) -> None:
        """Optimize all that is linked in; only ``symbol`` is seen from outside.

        ``apart`` stays a function of its own: inlined, it would lose what ``wide_vectors`` says of it.
        """
        self.finalize()
        self._final_module.get_function(apart).add_function_attribute("noinline")
        for group in (self._final_module.functions, self._final_module.global_variables):
            for each in group:
                if not each.is_declaration and each.name != symbol:
                    each.linkage = "internal"
        self._optimize_final_module()
        self._final_module.verify()
        self._verify_declare_only_symbols()

    def foreign(self) -> set[str]:
        """Return what is called or read outside, without what LLVM defines."""
        found = {f.name for f in self._final_module.functions if f.is_declaration and not f.name.startswith("llvm.")}
        return found | {v.name for v in self._final_module.global_variables if v.is_declaration}


# --- the compiler ---------------------------------------------------------------------------------


def _prune_branches(state: Any) -> None:
    """Remove branches whose conditions are constants: what a maker's arguments decide."""
    dead_branch_prune(state.func_ir, state.args)


def _infer_types(state: Any) -> None:
    """Infer all types of a function; Numba's own pass asks besides that only counted arrays be returned."""
    found = typed_passes.type_inference_stage(
        state.typingctx, state.targetctx, state.func_ir, state.args, state.return_type, state.locals
    )
    state.typemap, state.return_type, state.calltypes = found.typemap, found.return_type, found.calltypes


PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.RewriteSemanticConstants,
    _prune_branches,
    untyped_passes.GenericRewrites,
    untyped_passes.ReconstructSSA,
    _prune_branches,
    _infer_types,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)
"""What kernels need of Numba's passes: they hold no closures, array expressions, ``with`` or exceptions."""


class _Passes:
    """Runs them one after the other, without rebuilding what Numba's manager rebuilds after each."""

    pipeline_name = "fastnn"

    def __init__(self) -> None:
        self.exec_times: dict[str, Any] = {}

    def run(self, state: Any) -> None:
        for each in PASSES:
            if inspect.isclass(each):
                each().run_pass(state)  # type: ignore[attr-defined]
            else:
                each(state)


class Kernels(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler with these passes, its results kept as ``Source``."""

    def compile_extra(self, function: Any) -> Any:
        tell()
        self.state.targetctx.get_function = _remembered_search(self.state.targetctx)
        if self.state.library is None:
            self.state.library = Source(self.state.targetctx.codegen(), function.__qualname__)
        return super().compile_extra(function)

    def define_pipelines(self) -> list[Any]:
        return [_Passes()]


_IMPLEMENTATIONS: dict[Any, Any] = {}
"""How calls found before are lowered, by what is called with which types."""


def _remembered_search(target: Any) -> Callable[..., Any]:
    """Return a target context's search for how a call is lowered, which remembers what it found."""
    search = target.get_function

    def get_function(function: Any, signature: Any, _firstcall: bool = True) -> Any:
        if function == "__array__":
            raise NotImplementedError  # Numba asks so for every access whether arrays are of some other library's kind
        key = function, signature
        found = _IMPLEMENTATIONS.get(key)
        if found is None:
            found = _IMPLEMENTATIONS[key] = search(function, signature, _firstcall)
        here = object.__new__(type(found))
        here.__dict__.update(found.__dict__, _context=target)
        return here

    return get_function


_SIGNATURES: dict[Any, Any] = {}
"""Signatures of calls found before, by what is called with which types."""


def prepare() -> None:
    """Tell Numba what it has to know before it can compile a kernel."""
    tell()
    registry.cpu_target.target_context.refresh()


@contextlib.contextmanager
def _remembering() -> Iterator[None]:
    """Let Numba look up operators' signatures, and new definitions, once while an op is compiled."""
    look_up, refresh = BaseFunction.get_call_type, BaseContext.refresh

    def get_call_type(self: Any, context: Any, arguments: Any, named: Any) -> Any:
        key = self, tuple(arguments), tuple(named.items())
        found = _SIGNATURES.get(key)
        if found is None:
            found = look_up(self, context, arguments, named)
            if found is not None:
                _SIGNATURES[key] = found
        return found

    def refresh_quickly(self: Any) -> None:
        # what is new since an op's compilation began are definitions of ours and what Numba made of them
        for known in list(self._registries):
            self.install_registry(known)
        self.typing_context.refresh()

    prepare()
    patched: Any = (BaseFunction, "get_call_type", get_call_type), (BaseContext, "refresh", refresh_quickly)
    for kind, name, function in patched:
        setattr(kind, name, function)
    try:
        yield
    finally:
        for kind, name, function in ((BaseFunction, "get_call_type", look_up), (BaseContext, "refresh", refresh)):
            setattr(kind, name, function)


@global_compiler_lock  # type: ignore[untyped-decorator]
def machine_code(function: Callable[..., None], symbol: str) -> tuple[bytes, bool]:
    """Return an op's machine code: an object file in which ``symbol`` takes five int64 and returns nothing.

    And whether it runs without Numba.
    """
    whole = _linked(function, symbol)
    return bytes(whole._codegen._tm.emit_object(whole._final_module)), whole.foreign() <= KNOWN


@global_compiler_lock  # type: ignore[untyped-decorator]
def assembly(function: Callable[..., None]) -> str:
    """Return an op's machine code as text, for people and tests."""
    whole = _linked(function, "op")
    return str(whole._codegen._tm.emit_assembly(whole._final_module))


def _linked(function: Callable[..., None], symbol: str) -> Source:
    """Return an op with all it calls, optimized; it is called by ``symbol``."""
    arguments = (types.int64,) * _jit.OP_ARGUMENTS
    flags = compiler.Flags()
    CPUTargetOptions.parse_as_flags(flags, {"nopython": True, **OPTIONS})
    target = registry.cpu_target
    with _remembering():
        done = compiler.compile_extra(
            target.typing_context, target.target_context, function, args=arguments, return_type=types.none,
            flags=flags, locals={}, pipeline_class=Kernels,
        )  # fmt: skip
        whole = Source(target.target_context.codegen(), symbol)
        whole.add_ir_module(_door(done, symbol))
        whole.add_linking_library(done.library)
        whole.optimize(symbol, apart=done.fndesc.llvm_func_name)
        return whole


def _door(done: Any, symbol: str) -> Any:
    """Return a module with a function of C's calling convention that calls a compiled one.

    Its status is dropped, since kernels raise nothing; but with ``NUMBA_BOUNDSCHECK`` an index outside an array ends
    the process by an illegal instruction.
    """
    context = done.target_context
    module = context.codegen()._create_empty_module(symbol)
    of_numba = context.call_conv.get_function_type(types.none, done.signature.args)
    callee = ir.Function(module, of_numba, done.fndesc.llvm_func_name)
    word = ir.IntType(64)
    door = ir.Function(module, ir.FunctionType(ir.VoidType(), [word] * len(done.signature.args)), symbol)
    builder = ir.IRBuilder(door.append_basic_block())
    status, _ = context.call_conv.call_function(builder, callee, types.none, done.signature.args, door.args)
    if numba.config.BOUNDSCHECK:
        with builder.if_then(status.is_error, likely=False):
            builder.call(module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), [])), [])
    builder.ret_void()
    return module
