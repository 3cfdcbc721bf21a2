"""What a user waits for: imports, and whole programs, by the tasks of ``fastnn bench start``; peers as yardsticks."""

from __future__ import annotations

from fastnn.bench.studies import start
from fastnn.optional import installed

from .common import sizes

PROGRAMS = {f"{task.name}: {system}": (task, system) for task in start.TASKS for system in task.systems}


class Start:
    params = tuple(PROGRAMS)
    param_names = ("program",)
    unit = "seconds"
    timeout = 300

    def setup(self, program):
        self.task, self.system = PROGRAMS[program]
        if not installed(start.IMPORTED_BY.get(self.system, "numpy")):
            raise NotImplementedError("not installed")
        if sizes.row_limit is not None and (self.task.cold or not self.system.startswith("fastnn")):
            raise NotImplementedError("long")

    def track_seconds(self, program):
        processes = 1 if self.task.cold or sizes.row_limit is not None else 4
        return min(start.seconds_of(self.task, self.system) for _ in range(processes))
