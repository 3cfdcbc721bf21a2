"""New processes of Python, whole or for a part of a study, that use the fastnn which measures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from fastnn.errors import FastnnError

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
"""Where the programs are."""

PACKAGE = Path(__file__).resolve().parents[3]


def run(command: list[str], **variables: str) -> tuple[float, str]:
    """Run a new Python and wait for it.

    Parameters
    ----------
    command : list of str
        Its arguments.
    **variables : str
        Of the environment, beside those of this process.

    Returns
    -------
    seconds : float
        From its start to its end.
    printed : str

    Raises
    ------
    FastnnError
        If it fails: with the last line that it wrote.
    """
    # peers are installed, with their bytecode; a working tree gets its own in the first turn
    unwanted = "JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    # for every program, also a peer's, or some would search one folder less
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    environment.update(variables)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-P", *command], env=environment, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        raise FastnnError(f"{' '.join(command)} failed: {(done.stderr.strip() or '-').splitlines()[-1]}")
    return taken, done.stdout
