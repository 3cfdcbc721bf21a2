"""Trained weights have the SHA-256 they always had, on both backends.

A digest changes only with a line in CHANGELOG.md. ``python tests/test_golden.py --write`` writes the file
anew, after both backends agreed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from golden import FILE, NETWORKS, digest, digests

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])


@BACKENDS
@pytest.mark.parametrize("name", NETWORKS)
def test_digests(name, backend):
    weights = NETWORKS[name](backend)
    assert np.isfinite(weights).all() and np.abs(weights).max() < 100, "the training went astray"
    assert digest(weights) == json.loads(FILE.read_text())[name]


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", NETWORKS)
def test_digests_where_every_region_is_launched(monkeypatch, name):
    """These networks are small: without this they would run on one thread whatever the environment says."""
    lowering = importlib.import_module("fastnn.backends.numba_backend.lowering")
    monkeypatch.setattr(lowering, "LAUNCH_PAYS", 0.0)
    assert digest(NETWORKS[name]("numba")) == json.loads(FILE.read_text())[name]


def test_every_digest_belongs_to_a_network():
    recorded = json.loads(FILE.read_text())
    assert set(recorded) == set(NETWORKS)
    assert len(set(recorded.values())) == len(NETWORKS) >= 4


def test_the_digest_sees_one_bit():
    for dtype in (np.float32, np.float64):
        x = np.ones(3, dtype)
        y = x.copy()
        y[1] = np.nextafter(y[1], dtype(2))
        assert digest(x) != digest(y) and digest(np.zeros(3, dtype)) != digest(-np.zeros(3, dtype))


def write() -> None:
    """Write the digests after checking that both backends agree."""
    numpy, numba = digests("numpy"), digests("numba")
    different = [name for name in NETWORKS if numpy[name] != numba[name]]
    if different:
        raise SystemExit(f"the backends differ, nothing written: {different}")
    FILE.write_text(json.dumps(numpy, indent=2) + "\n")
    print(f"{FILE.name}: {len(numpy)} digests")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write()
