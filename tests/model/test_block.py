from dataclasses import replace

import numpy as np
import pytest

from model.block import COARSE_PAD
from tests.model.makers import BANDS, make_block


def test_what_is_unknown_or_said_to_be_filled_is_filled_image_by_image() -> None:
    block = make_block(days=(2, 5), ratio=16)
    rng = np.random.default_rng(0)
    masks = {
        name: rng.random(shape) < 0.4
        for name, shape in (
            ("filled_before", (64, 96)),
            ("filled_after", (64, 96)),
            ("coarse_filled_before", (10, 12)),
            ("coarse_filled_after", (10, 12)),
            ("coarse_filled", (2, 10, 12)),
        )
    }
    block.fine_after[2, 5, 7] = np.nan
    block.coarse[1, 0, COARSE_PAD, COARSE_PAD + 1] = np.nan
    assert np.argwhere(block.filled(0)).tolist() == [[2, 5, 7]]
    said = replace(block, **masks).filled(1)
    for y, x in np.ndindex(64, 96):
        cell = y // 16 + COARSE_PAD, x // 16 + COARSE_PAD
        assert said[:, y, x].tolist() == [
            masks["filled_before"][y, x],
            masks["coarse_filled_before"][cell],
            masks["filled_after"][y, x] or (y, x) == (5, 7),
            masks["coarse_filled_after"][cell],
            masks["coarse_filled"][1][cell] or cell == (COARSE_PAD, COARSE_PAD + 1),
        ]


def test_a_block_among_more_bands_holds_its_own_by_name_and_nothing_else() -> None:
    block = make_block(bands=("swir16", "red"))
    wide = block.in_bands(BANDS)
    assert wide.bands == BANDS
    names = ("fine_before", "fine_after", "coarse_before", "coarse_after", "centre", "spread")
    for name in names:
        own, placed = getattr(block, name), getattr(wide, name)
        np.testing.assert_array_equal(placed[[4, 2]], own)
        assert (placed[[0, 1, 3, 5]] == (1 if name == "spread" else 0)).all()
    np.testing.assert_array_equal(wide.coarse[:, [4, 2]], block.coarse)
    assert not wide.coarse[:, [0, 1, 3, 5]].any()
    np.testing.assert_array_equal(wide.known(), block.known())


@pytest.mark.parametrize("bands", [("red",), ("red", "red"), ("red", "nir08", "blue")])
def test_every_band_of_a_block_has_one_name(bands: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="holds 2 of them in fine_before; name each band once"):
        replace(make_block(bands=("red", "nir08")), bands=bands)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"filled_before has shape \(64, 64\), but fine_before"):
        replace(make_block(), filled_before=np.zeros((64, 64), np.bool_))
