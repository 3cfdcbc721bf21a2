"""Tables: what is read, how columns become inputs, `fastnn train`, `fastnn predict` and `fastnn search`."""

from __future__ import annotations

import pytest

from fastnn.errors import FileFormatError, InvalidTypeError
from fastnn.layers import Dense
from fastnn.models import Sequential
from fastnn.models.saved import load_metadata

# --- metadata of a model's file -------------------------------------------------------------------


def test_metadata_of_users(tmp_path):
    model = Sequential([Dense(2)], backend="numpy")
    model.build(3)
    file = tmp_path / "model.safetensors"
    notes = {"columns": ["größe", "b"], "scale": [0.1, 1e-300], "none": None}
    model.save(file, metadata=notes)
    assert load_metadata(file) == notes
    assert Sequential.load(file).parameters.tobytes() == model.parameters.tobytes()
    model.save(file)
    assert load_metadata(file) == {}
    before = file.read_bytes()
    with pytest.raises(InvalidTypeError, match="what JSON can say"):
        model.save(file, metadata={"a": object()})
    with pytest.raises(InvalidTypeError, match="what JSON can say"):
        model.save(file, metadata={"a": float("nan")})
    assert file.read_bytes() == before
    model.save_weights(file)
    with pytest.raises(FileFormatError, match="no model of fastnn"):
        load_metadata(file)
