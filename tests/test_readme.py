"""The README's Python blocks run, in the order in which a reader meets them."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


def test_readme_has_an_example_for_each_use():
    assert len(BLOCKS) >= 3


@pytest.mark.needs_jit
def test_python_blocks_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which some write files to
    rng = np.random.default_rng(0)
    x, y = rng.random((100, 8), np.float32), rng.integers(0, 10, 100)
    names = {"x": x, "y": y, "x_test": x, "y_test": y}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert names["costs"][-1] < 0.01
    assert names["result"].identical
    assert names["reference"][0, 1] == 0.5
    assert "identical: yes" in capsys.readouterr().out
