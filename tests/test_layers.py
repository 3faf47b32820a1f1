"""The architecture, held by tests: imports point down, and heavy ones come late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "model": {"numba", "numpy", "safetensors", "scipy", "torch"},
    "catalogs": {"pyproj", "pystac", "urllib3"},
    "pipeline": {
        "catalogs",
        "model",
        "dask",
        "distributed",
        "matplotlib",
        "numpy",
        "odc",
        "pandas",
        "pyproj",
        "pyhdf",
        "pystac",
        "rasterio",
        "requests",
        "scipy",
        "stackstac",
        "urllib3",
        "xarray",
        "zarr",
    },
    "flows": {"catalogs", "model", "pipeline", "prefect", "pydantic", "rich", "typer", "yaml"},
}

COMES_LATE = {
    "flows.cli": {
        "dask",
        "distributed",
        "numba",
        "numpy",
        "odc",
        "prefect",
        "rasterio",
        "torch",
        "xarray",
    },
    "flows.config": {"dask", "numba", "numpy", "odc", "prefect", "rasterio", "torch", "xarray"},
    "model.block": {"numba", "torch"},
    "model.card": {"numba", "torch"},
    "catalogs": {"torch", "xarray"},
    "pipeline": {"numba", "prefect", "torch"},
}
"""Importing the module on the left must not load the packages on the right."""


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or ""


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_its_layer_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no modules, so this test would hold nothing"
    allowed = MAY_IMPORT[package] | {package} | sys.stdlib_module_names
    strays = {
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] not in allowed
    }
    assert not strays


@pytest.mark.parametrize("module", COMES_LATE)
def test_importing_a_module_does_not_load_what_comes_late(module: str) -> None:
    package = ROOT / module
    names = [module]
    if package.is_dir():  # every module of the package, not only its __init__
        names += [f"{module}.{path.stem}" for path in sorted(package.glob("[!_]*.py"))]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not COMES_LATE[module] & set(done.stdout.split())
