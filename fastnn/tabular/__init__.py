"""Whole jobs on tables: read a file, learn to predict a column, report, predict for new files.

``reading`` and ``table`` know files, ``target`` and ``features`` what columns mean, ``split`` and ``training`` the job,
``report`` and ``html`` its page, ``predict`` what a model's file needs for new rows.
"""

from __future__ import annotations

from fastnn.tabular.predict import KEY, TableModel, predictions_csv
from fastnn.tabular.reading import read_table
from fastnn.tabular.table import Table
from fastnn.tabular.training import Prepared, Settings, TrainedTable, prepare, train_table

__all__ = ["KEY", "Prepared", "Settings", "Table", "TableModel", "TrainedTable", "predictions_csv", "prepare",
           "read_table", "train_table"]  # fmt: skip
