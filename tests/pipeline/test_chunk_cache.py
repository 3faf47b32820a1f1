import os
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import chunk_cache
from pipeline.chunk_cache import read_day


@pytest.fixture(scope="module")
def array(tmp_path_factory: pytest.TempPathFactory) -> zarr.Array:
    group = zarr.create_group(tmp_path_factory.mktemp("cube") / "fine.zarr")
    made = group.create_array("blue", shape=(3, 50, 70), chunks=(1, 16, 32), dtype="int16")
    made[:2] = np.random.default_rng(0).integers(0, 1000, (2, 50, 70)).astype(np.int16)
    return made


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_window_is_what_zarr_reads(array: zarr.Array, data: st.DataObject) -> None:
    y0, x0 = data.draw(st.integers(0, 49)), data.draw(st.integers(0, 69))
    at = (
        slice(y0, data.draw(st.integers(y0 + 1, 50))),
        slice(x0, data.draw(st.integers(x0 + 1, 70))),
    )
    place = data.draw(st.integers(0, 2))
    np.testing.assert_array_equal(read_day(array, place, at), array[(place, *at)])


def test_a_chunk_is_read_once_and_again_when_it_was_written_again(
    array: zarr.Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = (slice(0, 50), slice(0, 70))
    first = read_day(array, 0, at)
    reads = []
    inner = zarr.Array.__getitem__
    monkeypatch.setattr(
        zarr.Array, "__getitem__", lambda self, where: reads.append(where) or inner(self, where)
    )
    np.testing.assert_array_equal(read_day(array, 0, at), first)
    assert not reads
    array[0, :16, :32] = 7
    chunk = Path(array.store.root, array.path, array.metadata.encode_chunk_key((0, 0, 0)))
    os.utime(chunk, ns=(1, chunk.stat().st_mtime_ns + 1))
    assert (read_day(array, 0, at)[:16, :32] == 7).all()
    assert len(reads) == 1


def test_a_chunk_renumbered_by_a_hard_link_is_the_other_one(
    array: zarr.Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_cache, "_kept", chunk_cache._Kept())
    at = (slice(0, 16), slice(0, 32))
    one, other = (
        Path(array.store.root, array.path, array.metadata.encode_chunk_key((place, 0, 0)))
        for place in (0, 1)
    )
    array[0, :16, :32], array[1, :16, :32] = 1, 2
    for chunk in (one, other):
        os.utime(chunk, ns=(1, 1))
    assert (read_day(array, 0, at) == 1).all()
    one.unlink()
    os.link(other, one)
    assert one.stat().st_mtime_ns == 1
    assert (read_day(array, 0, at) == 2).all()


def test_memory_is_bounded(array: zarr.Array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_cache, "KEPT_BYTES", 3000)
    kept = chunk_cache._Kept()
    monkeypatch.setattr(chunk_cache, "_kept", kept)
    read_day(array, 0, (slice(0, 50), slice(0, 70)))
    assert 0 < kept.size <= 3000
    assert kept.size == sum(chunk.nbytes for chunk in kept.chunks.values())
