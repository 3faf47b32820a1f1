from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from model.card import read_card
from model.fuser import load_fuser
from model.training import pool, train
from model.training.triplets import triplets
from tests.model.makers import make_block


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds")
    for index in range(2):
        pool.make(index, out=folder, seed=1, generator="train")
    return folder


def test_a_pool_is_filled_once_and_is_the_same_every_time(worlds: Path, tmp_path: Path) -> None:
    first = sorted(worlds.iterdir())[0]
    before = first.stat().st_mtime_ns
    pool.make(0, out=worlds, seed=1, generator="train")
    pool.make(0, out=tmp_path, seed=1, generator="train")
    assert first.stat().st_mtime_ns == before
    with np.load(first) as one, np.load(tmp_path / first.name) as two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_triplets_are_seeded_in_order_and_without_gaps(worlds: Path) -> None:
    one, two = (
        list(islice(triplets(worlds, patch=64, seed=7, augment=True), 12)) for _ in range(2)
    )
    for a, b in zip(one, two, strict=True):
        assert a.days[0] < a.days[1] < a.days[2]
        for field in fields(a):
            left, right = getattr(a, field.name), getattr(b, field.name)
            np.testing.assert_array_equal(left, right)
            assert np.isfinite(left).all()
        assert a.truth.shape == a.coarse.shape == (6, 64, 64)


def test_a_pool_without_worlds_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m model\.training\.pool"):
        next(triplets(tmp_path, patch=64, seed=0, augment=False))


def test_training_starts_at_anomaly_and_writes_a_card_that_says_how(
    worlds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    for name, value in (("CHECK_EVERY", 2), ("BATCH", 2), ("CHECKED", 4)):
        monkeypatch.setattr(train, name, value)
    out = tmp_path / "weights"
    train.train(worlds, worlds, out, hours=1e-9, patch=64, rate=1e-4, seed=0, start=None)
    stage = read_card(out)["training"][-1]
    assert stage["steps"] == 2
    scores = stage["rmse_on_other_generator"]
    assert scores["1 step"] == pytest.approx(scores["anomaly"], rel=0.05)
    assert np.isfinite(load_fuser("sa-stf", out).fuse(make_block())).all()
    torch.set_num_threads(threads)
