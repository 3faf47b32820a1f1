"""A report as Markdown, as GitHub shows it."""

from collections.abc import Iterator

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


def markdown(document: Document) -> str:
    """The text of ``report.md``; pictures are links to the files beside it."""
    parts = [f"# {_text(document.title)}", *(_block(one) for one in document.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Element) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_text(block.text)}"
        case Paragraph():
            return _text(block.text)
        case Bullets():
            return "\n".join(f"- {_text(text)}" for text in block.texts)
        case Table():
            return "\n".join(_table(block))
        case Picture():
            return f"![{_text(block.caption)}]({block.path.as_posix()})\n\n*{_text(block.caption)}*"
        case Folded():
            inside = "\n\n".join(_block(one) for one in block.blocks)
            title = _text(block.title)
            return f"<details>\n<summary>{title}</summary>\n\n{inside}\n\n</details>"


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"{_text(table.caption)}\n"
    yield f"| {' | '.join(map(_text, table.head))} |"
    yield "|" + "---|" * table.texts + "--:|" * (len(table.head) - table.texts)
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    if cell.best:
        return f"**{text}**"
    return f"*{text}*" if cell.quoted and text else text


def _text(text: str) -> str:
    """Characters that Markdown would take for its own, save the backquotes of code."""
    for sign in "\\|*_<>":
        text = text.replace(sign, f"\\{sign}")
    return text
