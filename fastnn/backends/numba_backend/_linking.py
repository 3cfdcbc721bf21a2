"""LLVM's half of compiling an op: from the text of all it is made of to an object file, on a second thread if it pays.

Numba's half runs in Python and holds the interpreter; LLVM's does not. So while one op is optimized, the next one is
typed and written. The text of an op goes to LLVM whole: a call into LLVM gives the interpreter away, and to have it
back takes milliseconds.
"""

from __future__ import annotations

import copy
import ctypes
import re
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config

from fastnn.interrupt import Interrupt

SWITCH = 0.0005
"""Seconds after which the thread that writes ops lets the other one go on."""

_REFERENCE = re.compile(r"!(\d+)\b")
_OUTSIDE = re.compile(r'^declare [^@]*@"?([^"(\s]+)"?\(|^@"?([^"\s]+)"? = external ', re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """The text of a module: functions and variables by name, what they need, and how many notes are attached to them.

    ``defined`` and ``declared`` map names to text; ``notes`` is LLVM's metadata.
    """

    defined: dict[str, str]
    variables: dict[str, str]
    declared: dict[str, str]
    types: tuple[str, ...]
    notes: tuple[str, ...]


def part_of(module: ir.Module) -> Part:
    """Return a module as text: what it defines may be dropped where nobody calls it, and stand in many modules."""
    defined, variables, declared = {}, {}, {}
    for name, each in module.globals.items():
        if isinstance(each, ir.GlobalVariable):
            each.linkage = "internal" if each.initializer is not None else each.linkage
            variables[name] = str(each)
        elif each.is_declaration:
            declared[name] = str(each)
        else:
            each.linkage = each.linkage or "linkonce_odr"
            defined[name] = str(each)
    kinds = tuple(kind.get_declaration() for kind in module.get_identified_types().values())
    return Part(defined, variables, declared, kinds, tuple(map(str, module.metadata)))


@dataclass
class Text:
    """What an op is made of: parts as one text; modules that are not ours as bitcode."""

    head: str
    parts: Iterable[Part]
    bitcode: list[bytes] = field(default_factory=list)

    def whole(self) -> str:
        """Return the text of all parts."""
        lines: dict[str, str] = {}
        declared: dict[str, str] = {}
        kinds: dict[str, None] = {}
        notes: list[str] = []
        for part in self.parts:
            before = len(notes)

            def renumbered(text: str, before: int = before) -> str:
                return _REFERENCE.sub(lambda found: f"!{int(found[1]) + before}", text) if before else text

            kinds.update(dict.fromkeys(part.types))
            declared.update(part.declared)
            for name, text in part.variables.items():
                if lines.setdefault(name, text) != text:
                    raise AssertionError(f"two variables are called {name}")
            for name, text in part.defined.items():
                if name not in lines:
                    lines[name] = renumbered(text) if part.notes else text
            notes += [renumbered(note) for note in part.notes]
        missing = (text for name, text in declared.items() if name not in lines)
        return "\n".join([self.head, *kinds, *missing, *lines.values(), *notes])


class Linker:
    """Makes object files, with the options of one of Numba's code generators; one for each thread."""

    def __init__(self, codegen: Any) -> None:
        options = {"opt": config.OPT}
        codegen._customize_tm_options(options)
        # a target machine keeps what it knows of functions, and serves one thread at a time
        self._machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(**options)
        self._codegen = copy.copy(codegen)
        self._codegen._tm = self._machine

    def optimized(self, text: str, bitcode: list[bytes], context: Any) -> Any:
        """Return a module with all of an op, optimized."""
        module = llvm.parse_assembly(text, context)
        for each in bitcode:
            module.link_in(llvm.parse_bitcode(each, context))
        if bitcode:
            _hide(module)
        codegen = self._codegen
        # first what makes inlining cheap, as Numba does
        self._run(module, loop_vectorize=codegen._loopvect, slp_vectorize=False, opt=codegen._opt_level, cost="cheap")
        self._run(module)
        module.verify()
        return module

    def _run(self, module: Any, **options: Any) -> None:
        made = self._codegen._module_pass_manager(**options)
        if isinstance(made, tuple):
            passes, builder = made
            _without_lock("LLVMPY_RunNewModulePassManager")(passes, module, builder)
        else:  # llvmlite 0.44
            _without_lock("LLVMPY_RunPassManager")(made, module)

    def object_code(self, text: str, bitcode: list[bytes]) -> tuple[bytes, set[str]]:
        """Return an op's object file and what it calls or reads outside, without what LLVM defines."""
        context = llvm.create_context()
        module = self.optimized(text, bitcode, context)
        outside = {a or b for a, b in _OUTSIDE.findall(str(module))}
        with llvm.ffi.OutputString() as message:
            memory = _without_lock("LLVMPY_TargetMachineEmitToMemory")(self._machine, module, 1, message)
            if not memory:
                raise RuntimeError(str(message))
        try:
            size = llvm.ffi.lib.LLVMPY_GetBufferSize(memory)
            code = ctypes.string_at(llvm.ffi.lib.LLVMPY_GetBufferStart(memory), size)
        finally:
            llvm.ffi.lib.LLVMPY_DisposeMemoryBuffer(memory)
        return code, {name for name in outside if not name.startswith("llvm.")}

    def assembly(self, text: str, bitcode: list[bytes]) -> str:
        """Return an op's machine code as text."""
        context = llvm.create_context()
        return str(self._machine.emit_assembly(self.optimized(text, bitcode, context)))


def _without_lock(name: str) -> Callable[..., Any]:
    """Return one of llvmlite's functions without the lock that lets one thread at a time into LLVM.

    LLVM itself asks only that a context and a target machine serve one thread at a time; ours do.
    """
    found = getattr(llvm.ffi.lib, name)
    return cast(Callable[..., Any], getattr(found, "_cfn", found))


def _hide(module: Any) -> None:
    """Let nothing be seen from outside but what is there for that."""
    for group in (module.functions, module.global_variables):
        for each in group:
            if not each.is_declaration and each.linkage != llvm.Linkage.external:
                each.linkage = "internal"


class Job:
    """A piece of work, done once, by whoever begins it first."""

    def __init__(self, work: Callable[[Linker], Any]) -> None:
        self._work = work
        self._begun = threading.Lock()
        self._done = threading.Event()
        self._error: BaseException | None = None

    def run(self, linker: Linker) -> None:
        """Do it, if nobody has begun it; what goes wrong is raised by ``wait``."""
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._work(linker)
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._done.set()

    def wait(self) -> None:
        """Wait until it is done."""
        self._done.wait()
        if self._error is not None:
            raise self._error


class _Second(threading.Thread):
    """Does jobs in their order until told to stop."""

    def __init__(self, codegen: Any) -> None:
        super().__init__(name="fastnn-llvm", daemon=True)
        self._codegen = codegen
        self._jobs: list[Job] = []
        self._change = threading.Condition()
        self._stopped = False

    def put(self, job: Job) -> None:
        """Do a job after those before."""
        with self._change:
            self._jobs.append(job)
            self._change.notify()

    def run(self) -> None:
        linker = Linker(self._codegen)
        while True:
            with self._change:
                while not self._jobs and not self._stopped:
                    self._change.wait()
                if self._stopped:
                    return
                job = self._jobs.pop(0)
            job.run(linker)

    def stop(self) -> None:
        """End it when the job at hand is done; others are not begun."""
        with self._change:
            self._stopped = True
            self._change.notify()
        self.join()


class Jobs:
    """What is to be linked: begun on a second thread where there is one, and finished on both.

    ``with`` ends the thread, whatever happens.
    """

    def __init__(self, codegen: Any, second: bool) -> None:
        self._codegen = codegen
        self._jobs: list[Job] = []
        self._thread = _Second(codegen) if second else None
        self._before = sys.getswitchinterval()

    def __enter__(self) -> Jobs:
        if self._thread is not None:
            try:
                self._thread.start()
            except RuntimeError:  # no more threads can be had
                self._thread = None
            else:
                sys.setswitchinterval(min(self._before, SWITCH))
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            sys.setswitchinterval(self._before)
            self._thread.stop()

    def begin(self, work: Callable[[Linker], Any]) -> None:
        """Let ``work`` be done, now or later."""
        job = Job(work)
        self._jobs.append(job)
        if self._thread is not None:
            self._thread.put(job)

    def finish(self) -> None:
        """Do all that is left, together with the other thread, and raise what went wrong."""
        linker = Linker(self._codegen)
        for job in reversed(self._jobs) if self._thread is not None else self._jobs:
            with Interrupt():  # Ctrl-C between jobs: a file is written or not
                job.run(linker)
        for job in self._jobs:
            job.wait()
