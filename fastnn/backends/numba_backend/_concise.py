"""What kernels do most, in few instructions of LLVM: indexing, loops over ranges, divisions by constants, calls.

Numba writes 27 instructions for ``a[i]``, 70 for a loop over a range, 30 after each call for an error that kernels
never raise; LLVM removes nearly all of them again. Writing, printing, reading and removing them took a third of the
time of compiling. What is computed is the same; with ``NUMBA_BOUNDSCHECK`` indexing and calls are left to Numba.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils, lowering, typing
from numba.core import ir as numba_ir
from numba.np import arrayobj

Code = Callable[[Any, Any, Any, Any], Any]
"""Numba's form of such a definition: of a context, a builder, a signature and arguments."""


def field(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    """Return a member of a value of a type that is a structure."""
    return builder.extract_value(value, context.data_model_manager[kind].get_field_position(name))


def array_of(context: Any, builder: Any, array: Any, address: Any, shape: Any, strides: Any, items: Any) -> Any:
    """Return an array over memory at an integer address."""
    model = context.data_model_manager[array]
    size = ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(array.dtype)))
    data = builder.inttoptr(address, context.get_data_type(array.dtype).as_pointer())
    made = ir.Constant(context.get_value_type(array), None)
    for name, value in (("nitems", items), ("itemsize", size), ("data", data)):
        made = builder.insert_value(made, value, model.get_field_position(name))
    for name, values in (("shape", shape), ("strides", strides)):
        for axis, value in enumerate(values):
            made = builder.insert_value(made, size if value is None else value, (model.get_field_position(name), axis))
    return made


# --- indexing -------------------------------------------------------------------------------------


def _axes(index: Any) -> tuple[Any, ...] | None:
    """Return the types of an index's parts, None where it is not made of integers."""
    parts = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    return parts if all(isinstance(part, types.Integer) for part in parts) else None


def _is_plain(array: Any, index: Any) -> bool:
    """Return whether an index is that of one element of a contiguous array."""
    if config.BOUNDSCHECK or not isinstance(array, types.Array) or array.layout != "C" or not array.aligned:
        return False
    axes = _axes(index)
    return axes is not None and len(axes) == array.ndim and isinstance(array.dtype, types.Number | types.Boolean)


def _element(context: Any, builder: Any, array: Any, value: Any, index_type: Any, index: Any) -> Any:
    """Return the address of an element; negative indices count from an axis' end."""
    parts = cgutils.unpack_tuple(builder, index) if isinstance(index_type, types.BaseTuple) else [index]
    shape = context.data_model_manager[array].get_field_position("shape")
    at = None
    for axis, (kind, part) in enumerate(zip(_axes(index_type) or (), parts, strict=True)):
        place = context.cast(builder, part, kind, types.intp if kind.signed else types.uintp)
        known = isinstance(place, ir.Constant) and isinstance(place.constant, int) and place.constant >= 0
        length = None
        if axis or (kind.signed and not known):
            length = builder.extract_value(value, (shape, axis))
        if kind.signed and not known:
            negative = builder.icmp_signed("<", place, place.type(0))
            place = builder.select(negative, builder.add(place, length), place)
        at = place if at is None else builder.add(builder.mul(at, length), place)
    return builder.gep(field(context, builder, array, value, "data"), [at])


def _getitem(signature: Any) -> Code | None:
    array, index = signature.args
    if not _is_plain(array, index):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _element(context, builder, array, arguments[0], index, arguments[1])
        return arrayobj.load_item(context, builder, array, at)

    return code


def _setitem(signature: Any) -> Code | None:
    array, index, kind = signature.args
    if not _is_plain(array, index) or not isinstance(kind, types.Number | types.Boolean):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _element(context, builder, array, arguments[0], index, arguments[1])
        arrayobj.store_item(context, builder, array, context.cast(builder, arguments[2], kind, array.dtype), at)

    return code


# --- divisions ------------------------------------------------------------------------------------


def _division(what: str) -> Callable[[Any], Code | None]:
    def choose(signature: Any) -> Code | None:
        kind = signature.return_type
        if not (isinstance(kind, types.Integer) and all(isinstance(a, types.Integer) for a in signature.args)):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b = (context.cast(builder, v, t, kind) for v, t in zip(arguments, signature.args, strict=True))
            if not (isinstance(b, ir.Constant) and isinstance(b.constant, int) and b.constant > 0):
                return NotImplemented
            if not kind.signed:
                return builder.udiv(a, b) if what == "quotient" else builder.urem(a, b)
            rest = builder.srem(a, b)
            below = builder.icmp_signed("<", rest, b.type(0))
            if what == "quotient":
                return builder.add(builder.sdiv(a, b), builder.sext(below, b.type))
            return builder.select(below, builder.add(rest, b), rest)

        return code

    return choose


# --- the smaller and the larger -------------------------------------------------------------------


def signature(function: Any, arguments: tuple[Any, ...], named: tuple[Any, ...]) -> Any:
    """Return the signature of a call that is known without asking Numba, or None.

    Numba's ``min`` and ``max`` are functions that it compiles, once for each pair of types.
    """
    if getattr(function, "typing_key", None) not in (min, max) or len(arguments) != 2 or named:
        return None
    if any(types.unliteral(a) != types.int64 for a in arguments):
        return None
    return typing.signature(types.int64, types.int64, types.int64)


def _smaller(order: str) -> Callable[[Any], Code | None]:
    def choose(signature: Any) -> Code | None:
        if signature.args != (types.int64, types.int64):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b = arguments
            return builder.select(builder.icmp_signed(order, b, a), b, a)

        return code

    return choose


# --- ranges ---------------------------------------------------------------------------------------


def _range(signature: Any) -> Code | None:
    kind = signature.return_type
    if not all(isinstance(a, types.Integer) for a in signature.args):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = [context.cast(builder, v, t, kind.dtype) for v, t in zip(arguments, signature.args, strict=True)]
        word = given[0].type
        start, stop, step = ([word(0), *given, word(1)] if len(given) == 1 else [*given, word(1)])[:3]
        made = ir.Constant(context.get_value_type(kind), ir.Undefined)
        for place, part in enumerate((start, stop, step)):
            made = builder.insert_value(made, part, place)
        return made

    return code


def _parts_of_range(builder: Any, value: Any) -> list[Any]:
    """Return start, stop and step; those that ``_range`` has put there, if it has."""
    found: dict[int, Any] = {}
    while isinstance(value, ir.instructions.InsertValue):
        whole, part = value.operands
        found.setdefault(value.indices[0], part)
        value = whole
    return [found[i] if i in found else builder.extract_value(value, i) for i in range(3)]


def _getiter(signature: Any) -> Code | None:
    kind = signature.args[0]
    if not isinstance(kind, types.RangeType):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, stop, step = _parts_of_range(builder, arguments[0])
        if not (isinstance(step, ir.Constant) and isinstance(step.constant, int) and step.constant > 0):
            return NotImplemented
        word = start.type
        between = builder.sub(stop, start)
        count = between
        if step.constant > 1:
            uneven = builder.icmp_signed(">", builder.srem(between, step), word(0))
            count = builder.add(builder.sdiv(between, step), builder.zext(uneven, word))
        count = builder.select(builder.icmp_signed(">", between, word(0)), count, word(0))
        now, left = cgutils.alloca_once(builder, word), cgutils.alloca_once(builder, word)
        builder.store(start, now)
        builder.store(count, left)
        model = context.data_model_manager[signature.return_type]
        made = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        for name, part in (("iter", now), ("stop", stop), ("step", step), ("count", left)):
            made = builder.insert_value(made, part, model.get_field_position(name))
        return made

    return code


def _iternext(signature: Any) -> Code | None:
    (kind,) = signature.args
    if not isinstance(kind, types.RangeIteratorType):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        now, step, left = (field(context, builder, kind, arguments[0], name) for name in ("iter", "step", "count"))
        count, value = builder.load(left), builder.load(now)
        valid = builder.icmp_signed(">", count, count.type(0))
        builder.store(builder.sub(count, count.type(1), flags=["nsw"]), left)
        # what would overflow is never read; with this, LLVM sees that an index counted up from 0 is not negative
        builder.store(builder.add(value, step, flags=["nsw"] if kind.yield_type.signed else []), now)
        pair = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        return builder.insert_value(builder.insert_value(pair, value, 0), valid, 1)

    return code


TABLE: dict[Any, Callable[[Any], Code | None]] = {
    operator.getitem: _getitem,
    operator.setitem: _setitem,
    operator.floordiv: _division("quotient"),
    operator.ifloordiv: _division("quotient"),
    operator.mod: _division("rest"),
    operator.imod: _division("rest"),
    min: _smaller("<"),
    max: _smaller(">"),
    range: _range,
    "getiter": _getiter,
    "iternext": _iternext,
}
"""What is written by which definition; where that returns None or NotImplemented, Numba's own does."""


class Concise:
    """A definition bound to a context and a signature, called as Numba calls its own."""

    libs = ()

    def __init__(self, code: Code, context: Any, signature: Any, otherwise: Callable[[], Any]) -> None:
        self._code, self._context, self._signature, self._otherwise = code, context, signature, otherwise

    def __call__(self, builder: Any, arguments: Any, loc: Any = None) -> Any:
        made = self._code(self._context, builder, self._signature, arguments)
        return self._otherwise()(builder, arguments) if made is NotImplemented else made


def definition(function: Any, signature: Any) -> Code | None:
    """Return the definition of a call of ``function`` with these types, None where it is Numba's."""
    choose = TABLE.get(function if isinstance(function, str) else getattr(function, "typing_key", None))
    return None if choose is None else choose(signature)


def pair_first(builder: Any, pair: Any, kind: Any) -> Any:
    """Return what an iterator has yielded."""
    return builder.extract_value(pair, 0)


def pair_second(builder: Any, pair: Any, kind: Any) -> Any:
    """Return whether an iterator has yielded anything."""
    return builder.extract_value(pair, 1)


# --- calls ----------------------------------------------------------------------------------------


def call_of(described: Any, libraries: Any) -> Any:
    """Return the code of a call of a compiled kernel function, which takes no note of errors: there are none."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = context.declare_function(builder.module, described)
        result, error = (argument.type for argument in function.args[:2])
        slot = cgutils.alloca_once(builder, result.pointee)
        given = context.get_arg_packer(described.argtypes).as_arguments(builder, arguments)
        builder.call(function, [slot, ir.Constant(error, None), *given])
        return context.get_returned_value(builder, described.restype, builder.load(slot))

    code.signature = described.argtypes  # type: ignore[attr-defined]
    code.libs = tuple(libraries)  # type: ignore[attr-defined]
    return code


# --- variables ------------------------------------------------------------------------------------


class Lower(lowering.Lower):  # type: ignore[misc]
    """Numba's step from typed variables to LLVM, without what variables that are counted need."""

    def emit_environment_object(self) -> None:
        """Do without: kernels hold no objects of Python's."""

    def lower_block(self, block: Any) -> None:
        for instruction in block.body:
            self.loc = instruction.loc
            self.lower_inst(instruction)

    def alloca_lltype(self, name: str, lltype: Any, datamodel: Any = None) -> Any:
        return cgutils.alloca_once(self.builder, lltype, name=name)

    def lower_inst(self, instruction: Any) -> None:
        if isinstance(instruction, numba_ir.Assign):
            kind = self.typeof(instruction.target.name)
            self.storevar(self.lower_assign(kind, instruction), instruction.target.name)
        elif isinstance(instruction, numba_ir.Del):
            self.delvar(instruction.value)
        else:
            super().lower_inst(instruction)

    def lower_assign(self, kind: Any, instruction: Any) -> Any:
        if isinstance(instruction.value, numba_ir.Global | numba_ir.FreeVar) and isinstance(kind, types.Callable):
            return self.context.get_dummy_value()
        return super().lower_assign(kind, instruction)

    def lower_binop(self, kind: Any, expression: Any, operation: Any) -> Any:
        if operation in (operator.pow, operator.ipow):
            return super().lower_binop(kind, expression, operation)
        signature = self.fndesc.calltypes[expression]
        function = self.context.typing_context.resolve_value_type(operation)
        values = [
            self.context.cast(self.builder, self.loadvar(side.name), self.typeof(side.name), wanted)
            for side, wanted in zip((expression.lhs, expression.rhs), signature.args, strict=True)
        ]
        found = function.get_call_type(self.context.typing_context, signature.args, {})
        made = self.context.get_function(function, found)(self.builder, values)
        return self.context.cast(self.builder, made, signature.return_type, kind)

    def storevar(self, value: Any, name: str, argidx: Any = None) -> None:
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name: str) -> None:
        if name not in self._blk_local_varmap:
            self._singly_assigned_vars.discard(name)
