"""The demos by name. To add one is to add a file with ``run(args) -> int`` and a line here."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fastnn.cli.demos import autoencoder, cnn, digits, gradients, rnn

DEMOS: dict[str, Callable[[argparse.Namespace], int]] = {
    "digits": digits.run,
    "cnn": cnn.run,
    "rnn": rnn.run,
    "autoencoder": autoencoder.run,
    "gradients": gradients.run,
}
