"""The asv suite: how fast each part of fastnn is from commit to commit, the backend as first parameter.

What is registered (activations, losses, optimizers) is read from the registries, so a new entry has its
benchmark at once. ``tests/test_bench.py`` runs every benchmark here once, with ``common.sizes`` made tiny.
"""
