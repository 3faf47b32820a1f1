"""What goes wrong with a read, told so that it can be cured and gives nothing away."""

from collections.abc import Iterator

from catalogs import redact
from pipeline.read.secrets import scrub


class ReadError(OSError):
    """An asset that cannot be read, or whose numbers cannot be reflectance."""


def unreadable(item: str, asset: str, href: str, reason: str, cure: str) -> ReadError:
    """The error for one file of an item.

    Raise it ``from None``: what it stands for may hold signed addresses, and a log shows the
    whole chain.
    """
    return ReadError(
        f"asset {asset!r} of item {item} cannot be read: {redact(href)} ({scrub(reason)}); {cure}"
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__


def said(error: BaseException) -> str:
    """What an error and its causes say, each once, without secrets."""
    told: list[str] = []
    for one in chain(error):
        text = " ".join(str(one).split()) or type(one).__name__
        if not any(text in other for other in told):
            told.append(text)
    return scrub(": ".join(told))
