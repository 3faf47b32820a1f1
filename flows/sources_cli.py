"""``daily30 sources``: the products we have tables of, who holds them, and whether they answer."""

from typing import Annotated

import typer
from rich.console import Console

from flows.show import lines, table

sources = typer.Typer(
    help="List the products and catalogues that daily30 knows; see whether one answers.",
    invoke_without_command=True,
)
out = Console()


@sources.callback()
def listed(
    ctx: typer.Context,
    facts: Annotated[
        str, typer.Option(metavar="COLLECTION", help="Every number of a product, and its source.")
    ] = "",
) -> None:
    """List the products and catalogues that daily30 knows."""
    if ctx.invoked_subcommand:
        return
    if facts:
        _facts(facts)
        return
    from catalogs.access import ACCESS
    from catalogs.products import PRODUCTS
    from catalogs.providers import PROVIDERS

    rows = []
    for product in PRODUCTS:
        spec = product.forms[0]
        held = [
            f"{provider.name}: {name}"
            for provider in PROVIDERS
            for name in dict.fromkeys(n for form in product.forms for n in provider.holds(form))
        ]
        sides = sorted({round(b.resolution_m or spec.resolution_m) for b in spec.bands.values()})
        rows.append(
            {
                "product": product.name,
                "sensor": product.sensor,
                "role": spec.role,
                "metres": "/".join(map(str, sides)),
                "bands": len(spec.bands),
                "since": product.since,
                "catalogue: collection": "; ".join(held) or "your own files",
            }
        )
    table(out, rows)
    how = {access.name: access for access in ACCESS}
    for provider in PROVIDERS:
        access = how[provider.access]
        lead = f"{provider.name} ({provider.url}): {access.how}"
        lines(out, (f"{lead}; {access.cure}",))


@sources.command()
def check(
    catalog: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="A provider by name, or a STAC API's URL.")
    ] = "",
    collection: Annotated[
        str, typer.Option(help="Only this collection; default: all we have a table of.")
    ] = "",
) -> None:
    """Probe catalogues: reachable, collection there, how new, assets as expected.

    Without PROVIDER all that are known. Exit code 1 if something is wrong.
    """
    from datetime import UTC, datetime

    from catalogs import CatalogError
    from catalogs.check import check as probe
    from catalogs.providers import PROVIDERS

    today, wrong = datetime.now(UTC).date(), False
    for name in [catalog] if catalog else [provider.name for provider in PROVIDERS]:
        try:
            found = probe(name, [collection] if collection else ())
        except CatalogError as error:
            lines(out, (str(error),))
            wrong = True
            continue
        for finding in found:
            wrong |= bool(finding.faults)
            lines(out, (f"{name} {finding.line(today)}",))
    raise typer.Exit(1 if wrong else 0)


def _facts(name: str) -> None:
    from catalogs import CatalogError
    from catalogs.products import forms, product_of

    specs = forms(name)
    if not specs:
        raise CatalogError(f"there is no table of {name!r}; `daily30 sources` lists them")
    for spec in specs:
        product = product_of(spec)
        assert product is not None
        lines(out, (f"{spec.name} (also {', '.join(spec.aliases)}); source: {product.source}",))
        rows = [
            {
                "name": key,
                "asset": band.asset,
                "data set": (band.layer or "").rpartition("/")[2],
                "type": band.dtype,
                "scale": f"{band.scale:g}",
                "offset": f"{band.offset:g}",
                "nodata": band.nodata,
                "valid": f"{band.valid[0]:g}..{band.valid[1]:g}" if band.valid else "",
            }
            for kind in (spec.bands, spec.qa, spec.angles)
            for key, band in kind.items()
        ]
        table(out, rows)
        for flag, entries in spec.flags.items():
            rejects = " (rejected)" if flag in spec.reject else ""
            bits = ", ".join(
                f"{e.asset} bits {e.shift}-{e.shift + e.width - 1} in {list(e.values)}"
                + (f" of {'/'.join(e.platforms)}" if e.platforms else "")
                for e in entries
            )
            lines(out, (f"  {flag}{rejects}: {bits}",))
