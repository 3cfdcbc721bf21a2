"""Compiles kernels with Numba: its typing and lowering, our linking and optimizing, one object file an op.

Numba makes every function a library of its own, with wrappers for Python and C, optimizes it, and generates machine
code for it, although what ops are made of is only ever linked into them. Here such a function stops at LLVM's IR
(``Source``); an op takes all it calls into one module, which is optimized once. Kernels allocate nothing, so Numba's
reference counts are left out from the start. And what Numba looks up again and again for every ``+`` of every kernel
is looked up once. (``fastnn bench start`` prints what a program takes from an empty cache.)
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import compiler, registry
from numba.core.base import BaseContext
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import CodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUTargetOptions
from numba.core.runtime.nrt import rtsys
from numba.core.types.functions import BaseFunction
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template
from numba.core.typing.typeof import typeof_impl
from numba.extending import overload

from fastnn.backends.numba_backend import _compiling, _concise, _jit, _objects, _passes
from fastnn.backends.numba_backend._linking import Jobs, Linker, Part, Text, part_of

__all__ = [
    "OPTIONS",
    "Kernels",
    "assembly",
    "intrinsic_type",
    "jobs",
    "machine_code",
    "numba",
    "tell",
]

OPTIONS: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False,
                           "debug": False, **_jit.FLAGS}  # fmt: skip
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


@functools.cache
def _head(codegen: Any) -> str:
    """Return the first lines of a module."""
    return "\n".join(str(codegen._create_empty_module("")).splitlines()[1:])


class Source(CodeLibrary):  # type: ignore[misc]
    """A function as IR, to be linked into what calls it; never machine code."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self._modules: list[ir.Module] = []
        self._libraries: dict[Any, None] = {}
        self._shared_module: Any = None

    @property
    def codegen(self) -> Any:
        return _Codegen(self._codegen)

    def add_ir_module(self, ir_module: ir.Module) -> None:
        self._raise_if_finalized()
        self._modules.append(ir_module)

    def add_linking_library(self, library: Any) -> None:
        if library is not rtsys.library:
            self._libraries[library] = None

    def finalize(self) -> None:
        self._finalized = True

    def apart(self, name: str) -> None:
        """Let a function stay one of its own where it is called."""
        for module in self._modules:
            module.globals[name].attributes.add("noinline")

    @functools.cached_property
    def parts(self) -> list[Part]:
        """What is its own, as text; its modules, of many thousand objects, go."""
        parts = [part_of(module) for module in self._modules]
        self._modules.clear()
        return parts

    def text(self) -> Text:
        """Return all that it is made of."""
        found: dict[Any, None] = {}
        work: list[Any] = [self]
        while work:
            library = work.pop()
            if library not in found:
                found[library] = None
                work += getattr(library, "_libraries", ())
        parts = [part for library in found if isinstance(library, Source) for part in library.parts]
        others = [each._get_module_for_linking().as_bitcode() for each in found if not isinstance(each, Source)]
        return Text(_head(self._codegen), parts, others)

    def create_ir_module(self, name: str) -> ir.Module:
        return ir.Module(name)

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def get_function(self, name: str) -> Any:
        return self._get_module_for_linking().get_function(name)

    def get_llvm_str(self) -> str:
        return str(self._get_module_for_linking())

    def get_asm_str(self) -> str:
        return str(self._codegen._tm.emit_assembly(self._get_module_for_linking()))

    def _get_module_for_linking(self) -> Any:
        """Return it as a module, for what Numba compiles and links it into."""
        if self._shared_module is None:
            text = self.text()
            self._shared_module = llvm.parse_assembly(text.whole())
            for each in text.bitcode:
                self._shared_module.link_in(llvm.parse_bitcode(each))
        return self._shared_module


# --- the compiler ---------------------------------------------------------------------------------


class _Passes:
    """Runs them one after the other, without rebuilding what Numba's manager rebuilds after each."""

    pipeline_name = "fastnn"

    def __init__(self) -> None:
        self.exec_times: dict[str, Any] = {}

    def run(self, state: Any) -> None:
        for each in _passes.PASSES:
            each(state)


class Kernels(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler with these passes, its results kept as ``Source``."""

    def compile_extra(self, function: Any) -> Any:
        tell()
        _write_concisely(self.state.targetctx)
        if self.state.library is None:
            self.state.library = Source(self.state.targetctx.codegen(), function.__qualname__)
        return super().compile_extra(function)

    def define_pipelines(self) -> list[Any]:
        return [_Passes()]


_IMPLEMENTATIONS: dict[Any, Any] = {}
"""How calls found before are lowered, by what is called with which types."""


def _write_concisely(target: Any) -> None:
    """Let what is compiled with a target context be written in fewer instructions than Numba's."""
    target.get_function = _remembered_search(target)
    target.pair_first, target.pair_second = _concise.pair_first, _concise.pair_second
    target.get_abi_sizeof = functools.partial(_size, target)
    if not numba.config.BOUNDSCHECK:

        def insert_user_function(function: Any, described: Any, libraries: Any = ()) -> None:
            code = _concise.call_of(described, libraries)
            target._defns[function].append(code, code.signature)

        target.insert_user_function = insert_user_function


_SIZES: dict[str, int] = {}
"""Bytes that a type of LLVM's takes up, by its text."""


def _size(target: Any, kind: Any) -> int:
    """Return the bytes of a type; Numba lets LLVM parse a module for each answer."""
    if isinstance(kind, ir.IntType) and kind.width in (8, 16, 32, 64):
        return int(kind.width) // 8
    if isinstance(kind, ir.FloatType | ir.DoubleType):
        return 4 if isinstance(kind, ir.FloatType) else 8
    text = str(kind)
    if text not in _SIZES:
        _SIZES[text] = BaseContext.get_abi_sizeof(target, kind)
    return _SIZES[text]


def _remembered_search(target: Any) -> Callable[..., Any]:
    """Return a target context's search for how a call is lowered, which remembers what it found."""
    search = target.get_function

    def get_function(function: Any, signature: Any, _firstcall: bool = True) -> Any:
        if function == "__array__":
            raise NotImplementedError  # Numba asks so for every access whether arrays are of some other library's kind
        code = _concise.definition(function, signature)
        if code is not None:
            return _concise.Concise(code, target, signature, lambda: get_function_of_numba(function, signature))
        return get_function_of_numba(function, signature, _firstcall)

    def get_function_of_numba(function: Any, signature: Any, _firstcall: bool = True) -> Any:
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
        found = _SIGNATURES.get(key) or _concise.signature(*key)
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


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Let Python look for garbage again when an op is compiled: Numba's structures are large and full of cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@global_compiler_lock  # type: ignore[untyped-decorator]
def machine_code(function: Callable[..., None], symbol: str) -> Callable[[Linker], tuple[bytes, bool]]:
    """Return what makes an op's machine code, on any thread: LLVM's half of the work; Numba's is done.

    That is an object file in which ``symbol`` takes five int64 and returns nothing, and whether it runs without Numba.
    """
    with _without_collecting():
        text, bitcode = _linked(function, symbol)

    def make(linker: Linker) -> tuple[bytes, bool]:
        code, outside = linker.object_code(text, bitcode)
        return code, outside <= KNOWN

    return make


def jobs(second: bool) -> Jobs:
    """Return what runs LLVM's half, on a second thread too if wanted."""
    return Jobs(registry.cpu_target.target_context.codegen(), second)


@global_compiler_lock  # type: ignore[untyped-decorator]
def assembly(function: Callable[..., None]) -> str:
    """Return an op's machine code as text, for people and tests."""
    return Linker(registry.cpu_target.target_context.codegen()).assembly(*_linked(function, "op"))


def _linked(function: Callable[..., None], symbol: str) -> tuple[str, list[bytes]]:
    """Return the text of an op with all it calls, and what else it needs; only ``symbol`` is seen from outside."""
    arguments = (types.int64,) * _objects.OP_ARGUMENTS
    flags = compiler.Flags()
    CPUTargetOptions.parse_as_flags(flags, {"nopython": True, **OPTIONS})
    target = registry.cpu_target
    with _remembering():
        done = compiler.compile_extra(
            target.typing_context, target.target_context, function, args=arguments, return_type=types.none,
            flags=flags, locals={}, pipeline_class=Kernels,
        )  # fmt: skip
        codegen = target.target_context.codegen()
        whole = Source(codegen, symbol)
        whole.add_ir_module(_door(done, symbol))
        whole.add_linking_library(done.library)
        # inlined, it would lose what ``wide_vectors`` says of it
        done.library.apart(done.fndesc.llvm_func_name)
        text = whole.text()
        return text.whole().replace("define linkonce_odr ", "define internal "), text.bitcode


def _door(done: Any, symbol: str) -> Any:
    """Return a module with a function of C's calling convention that calls a compiled one.

    Its status is dropped, since kernels raise nothing; but with ``NUMBA_BOUNDSCHECK`` an index outside an array ends
    the process by an illegal instruction.
    """
    context = done.target_context
    module = ir.Module(symbol)
    of_numba = context.call_conv.get_function_type(types.none, done.signature.args)
    callee = ir.Function(module, of_numba, done.fndesc.llvm_func_name)
    word = ir.IntType(64)
    door = ir.Function(module, ir.FunctionType(ir.VoidType(), [word] * len(done.signature.args)), symbol)
    door.linkage = "external"
    builder = ir.IRBuilder(door.append_basic_block())
    status, _ = context.call_conv.call_function(builder, callee, types.none, done.signature.args, door.args)
    if numba.config.BOUNDSCHECK:
        with builder.if_then(status.is_error, likely=False):
            builder.call(module.declare_intrinsic("llvm.trap", (), ir.FunctionType(ir.VoidType(), [])), [])
    builder.ret_void()
    return module
