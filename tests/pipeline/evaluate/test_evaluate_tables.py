import pytest

from pipeline.evaluate.tables import COLUMNS, Column, marked, plain

BY_KEY = {column.key: column for column in COLUMNS}


def best(key: str, *values: float) -> list[bool]:
    return [cell.best for cell in marked(values, BY_KEY[key])]


@pytest.mark.parametrize("key", ["rmse", "ergas", "sam", "changed"])
def test_the_least_error_is_best(key: str) -> None:
    assert best(key, 0.3, 0.1, 0.2) == [False, True, False]


@pytest.mark.parametrize("key", ["cc", "ssim"])
def test_the_greatest_likeness_is_best(key: str) -> None:
    assert best(key, 0.3, 0.9, -0.95) == [False, True, False]


@pytest.mark.parametrize("key", ["bias", "edge", "lbp"])
def test_of_what_has_a_sign_the_nearest_to_zero_is_best(key: str) -> None:
    assert best(key, 0.3, -0.01, 0.02) == [False, True, False]


def test_what_shows_the_same_digits_is_a_tie() -> None:
    assert best("rmse", 0.03121, 0.03124, 0.0313) == [True, True, False]
    assert best("bias", -0.00101, 0.00104, 0.0012) == [True, True, False]


def test_what_is_undefined_is_never_best() -> None:
    nan = float("nan")
    assert best("rmse", nan, 0.2) == [False, True]
    assert best("rmse", nan, nan) == [False, False]


def test_numbers_are_written_without_the_zero_before_the_point() -> None:
    assert [plain(value) for value in (0.03124, -0.5, 1.0, 0.99999, 12.5)] == [
        ".0312",
        "-.5000",
        "1.0000",
        "1.0000",
        "12.5000",
    ]
    bias: Column = BY_KEY["bias"]
    assert [bias.show(value) for value in (0.01, -0.01)] == ["+.0100", "-.0100"]
