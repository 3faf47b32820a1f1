"""A report as one HTML file that needs nothing else: pictures are inside, there is no script."""

import base64
import html
import re
from pathlib import Path

from pipeline.evaluate.document import (
    Bullets,
    Cell,
    Document,
    Element,
    Folded,
    Heading,
    Paragraph,
    Picture,
    Table,
)

_STYLE = """
:root { --ink: #1c2430; --soft: #5d6b7d; --line: #d9e0e8; --paper: #ffffff; --shade: #f4f7fa;
  --best: #005a9c; --best-shade: #e3f0fb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --soft: #9aa8b8; --line: #34404e;
  --paper: #151b22; --shade: #1d252e; --best: #8cc8ff; --best-shade: #1c3550; }
  figure img { background: #ffffff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1.08rem; margin: 2rem 0 .3rem; }
p, li { max-width: 50rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .92rem; margin: 1rem 0; }
a { color: var(--best); text-decoration: none; }
a:hover { text-decoration: underline; }
code { font: .9em ui-monospace, Consolas, monospace; background: var(--shade);
  padding: .1em .3em; border-radius: 3px; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .28rem .6rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line);
  vertical-align: bottom; white-space: normal; }
td { border-bottom: 1px solid var(--line); }
tbody tr:hover td { background: var(--shade); }
.text { text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper);
  padding-left: 0; }
td.best { font-weight: 650; color: var(--best); background: var(--best-shade); }
td.quoted { font-style: italic; color: var(--soft); }
figure { margin: 1.2rem 0; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; max-width: 50rem; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--best); font-size: .92rem; }
"""


def page(document: Document, folder: Path) -> str:
    """The text of ``report.html``; pictures are read from ``folder``."""
    chapters = [one for one in document.blocks if isinstance(one, Heading) and one.level == 2]
    links = "".join(f'<a href="#{_anchor(one.text)}">{_text(one.text)}</a>' for one in chapters)
    body = "\n".join(_block(one, folder) for one in document.blocks)
    title = html.escape(document.title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_text(document.title)}</h1>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Element, folder: Path) -> str:
    match block:
        case Heading():
            level = block.level
            return f'<h{level} id="{_anchor(block.text)}">{_text(block.text)}</h{level}>'
        case Paragraph():
            return f"<p>{_text(block.text)}</p>"
        case Bullets():
            return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in block.texts)}</ul>"
        case Table():
            return _table(block)
        case Picture():
            return _picture(block, folder)
        case Folded():
            inside = "\n".join(_block(one, folder) for one in block.blocks)
            return f"<details><summary>{_text(block.title)}</summary>\n{inside}\n</details>"


def _table(table: Table) -> str:
    def kind(at: int, cell: Cell | None = None) -> str:
        names = ["text"] if at < table.texts else []
        if cell is not None:
            names += ["best"] * cell.best + ["quoted"] * cell.quoted
        return f' class="{" ".join(names)}"' if names else ""

    head = "".join(f"<th{kind(at)}>{_text(text)}</th>" for at, text in enumerate(table.head))
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{kind(at, cell)}>{_text(cell.text)}</td>" for at, cell in enumerate(row))
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{_text(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _picture(picture: Picture, folder: Path) -> str:
    inside = base64.b64encode((folder / picture.path).read_bytes()).decode()
    caption = _text(picture.caption)
    plain = html.escape(picture.caption, quote=True)
    return (
        f'<figure><img alt="{plain}" src="data:image/webp;base64,{inside}"/>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
