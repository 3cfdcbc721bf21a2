"""Pieces of a page: escaped text, tables, pictures inlined as PNG; one style, light and printable, no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

STYLE = """
:root { --ink: #1f2328; --soft: #667078; --line: #e3e6e8; --blue: #0072b2; --ground: #f7f8f9; }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: var(--ink);
  max-width: 920px; margin: 0 auto; padding: 36px 28px 60px; background: #fff; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 42px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
p { margin: 8px 0; } .soft { color: var(--soft); } ul { margin: 8px 0; padding-left: 22px; }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 22px 0 6px; }
.card { flex: 1 1 170px; border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px;
  background: var(--ground); }
.card b { display: block; font-size: 24px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; margin: 10px 0; font-size: 14px; }
.wide { overflow-x: auto; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 5px 22px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: break-word; } td code { overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; display: block; margin: 10px 0; }
.bar { height: 11px; border-radius: 2px; background: var(--blue); min-width: 1px; display: inline-block; }
code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
pre span { display: inline-block; max-width: 100%; }
@media print { body { max-width: none; padding: 0; font-size: 12px; }
  h2, h2 + p { break-after: avoid; } h2 { margin-top: 26px; }
  img, table, .card, pre { break-inside: avoid; } tr { break-inside: avoid; } }
"""


def text(value: Any) -> str:
    """Return a value as text of a page."""
    return html.escape(str(value), quote=True)


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[int] = ()) -> str:
    """Return a table; cells that are ``Markup`` are put in as they are.

    Parameters
    ----------
    head : sequence of str
        Empty for none.
    rows : iterable of sequences
    numbers : sequence of int
        Columns that are set to the right.
    """

    def line(cells: Sequence[Any], tag: str) -> str:
        shown = []
        for place, cell in enumerate(cells):
            kind = ' class="n"' if place in numbers else ""
            shown.append(f"<{tag}{kind}>{cell if isinstance(cell, Markup) else text(cell)}</{tag}>")
        return f"<tr>{''.join(shown)}</tr>"

    top = f"<thead>{line(head, 'th')}</thead>" if head else ""
    return f'<div class="wide"><table>{top}<tbody>{"".join(line(row, "td") for row in rows)}</tbody></table></div>'


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def bar(share: float) -> Markup:
    """Return a bar as long as a share in [0, 1] of its cell."""
    return Markup(f'<span class="bar" style="width:calc({max(0.0, min(1.0, share)):.3f} * min(260px, 38vw))"></span>')


def digest(value: str) -> Markup:
    """Return a SHA-256, which may be broken anywhere."""
    return Markup(f"SHA-256 <code>{text(value)}</code>")


def card(value: str, label: str) -> str:
    """Return a number with what it is below."""
    return f'<div class="card"><b>{text(value)}</b><span>{text(label)}</span></div>'


def picture(figure: Any, alt: str) -> str:
    """Return a figure of matplotlib as an inlined PNG."""
    width, height = figure.get_size_inches()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=160)
    code = base64.b64encode(out.getvalue()).decode()
    return (
        f'<img alt="{text(alt)}" width="{width * 96:.0f}" height="{height * 96:.0f}" '
        f'src="data:image/png;base64,{code}">'
    )
