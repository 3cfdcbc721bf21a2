"""What a comparison found, as data and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastnn.comparison.bits import Difference

TEXTBOOK = "textbook NumPy"


def duration(seconds: float) -> str:
    """Return a time with three digits and a unit that people read."""
    scale, unit = (1.0, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "us")
    value = seconds * scale
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


@dataclass(frozen=True)
class Comparison:
    """Two backends on one network.

    Attributes
    ----------
    settings : dict
        The arguments of ``compare``.
    backends : tuple of str
        Names of the two backends, the reference first.
    quantities : tuple of Difference
        Initial weights, activations, cost, gradients, costs of the steps, weights after them.
    digests : dict of str
        By backend: SHA-256 of the flat weight vector after the steps.
    seconds : dict of float
        Best time of a training step, by backend and for textbook NumPy.
    textbook_deviation : float or None
        Length of the difference between the reference's weights and textbook NumPy's after the steps,
        relative to the length of the weights.
    notes : tuple of str
        What else should be known.
    """

    settings: dict[str, Any]
    backends: tuple[str, str]
    quantities: tuple[Difference, ...]
    digests: dict[str, str]
    seconds: dict[str, float]
    textbook_deviation: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every quantity is the same in every bit."""
        return all(quantity.identical for quantity in self.quantities)

    @property
    def title(self) -> str:
        """The network and how it is trained, in words."""
        s = self.settings
        layers = "-".join(str(n) for n in s["sizes"])
        hidden = f"{s['activation']} and " if s["activation"] else ""
        last = "sigmoid" if s["sizes"][-1] == 1 else "softmax"
        return f"{layers}, {hidden}{last}, {s['dtype']}, batch {s['batch']}, {s['optimizer']}, seed {s['seed']}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON holds."""
        quantities = [asdict(q) | {"identical": q.identical} for q in self.quantities]
        return asdict(self) | {
            "identical": self.identical,
            "backends": list(self.backends),
            "quantities": quantities,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        reference, other = self.backends
        width = max(len(q.name) for q in self.quantities)
        lines = [
            self.title,
            "",
            f"{'quantity':<{width}}  {'numbers':>9}  identical bits ({reference}, {other})",
        ]
        for q in self.quantities:
            verdict = "yes" if q.identical else f"NO: {q.differing:,} differ{_ulps(q.ulps)}; {q.first}"
            lines.append(f"{q.name:<{width}}  {q.elements:>9,}  {verdict}")
        lines += ["", "SHA-256 of the weights after the steps"]
        widest = max(len(name) for name in (*self.seconds, *self.backends))
        lines += [f"{name:<{widest}}  {digest}" for name, digest in self.digests.items()]
        lines += ["", "time of a training step"]
        yardstick = self.seconds.get(TEXTBOOK)
        for name, seconds in self.seconds.items():
            ratio = "" if yardstick is None or name == TEXTBOOK else f"  {_ratio(yardstick / seconds)} {TEXTBOOK}"
            lines.append(f"{name:<{widest}}  {duration(seconds):>8}{ratio}")
        if self.textbook_deviation is not None:
            lines += [
                "",
                f"{TEXTBOOK} did the same work: its weights are {self.textbook_deviation:.1e} apart",
            ]
        lines += [f"Note: {note}" for note in self.notes]
        lines += ["", f"identical: {'yes, every bit' if self.identical else 'NO'}"]
        return "\n".join(lines)


def _ulps(ulps: int | None) -> str:
    return "" if ulps is None else f" by up to {ulps:,} ulp"


def _ratio(ratio: float) -> str:
    return f"{ratio:.3g} x as fast as" if ratio < 100 else f"{ratio:,.0f} x as fast as"
