"""Whole programs, as a user writes them, that ``fastnn.bench.studies.start`` runs in processes of their own.

``TASK_SYSTEM.py``: the programs of one task do the same work, each with its library's own initial weights, and print
the share of samples that the trained network has right. They import nothing of this package but fastnn itself.
"""
