"""A judgement as rows to print, and as values for other programs."""

from collections.abc import Iterator, Mapping
from typing import Any

from model.metrics import Scores
from pipeline.predict.judge import Judged, Judgement

Row = dict[str, str | float]

CLASSES = ("accuracy", "precision", "recall", "f1")


def lines(judgement: Judgement) -> Iterator[str]:
    """What the numbers stand on."""
    yield (
        f"{judgement.pixels} pixels ({judgement.share:.1%}) known in every image; ERGAS by "
        f"1/{judgement.ratio}, SAM in radians, bias = predicted - truth; edge and lbp below 0: "
        "smoother than the truth"
    )
    if judgement.changed == judgement.changed:
        yield (
            f"changed: RMSE of the {judgement.changed:.1%} of them that are not what time alone "
            "predicts"
        )


def band_rows(judgement: Judgement) -> list[Row]:
    """The prediction, a row a band and their mean."""
    found = judgement.images[0].whole
    rows: list[Row] = [
        {"band": band, **one._asdict(), "ergas": float("nan"), "sam": float("nan")}
        for band, one in zip(judgement.bands, found.bands, strict=True)
    ]
    return [*rows, {"band": "mean", **found.means()}]


def image_rows(judgement: Judgement) -> list[Row]:
    """A row an image, means over bands; of large images their patches too."""
    rows: list[Row] = []
    for one in judgement.images:
        rows.append({"image": one.name, **one.whole.means(), **_more(one)})
        if one.patches is not None:
            nothing = dict.fromkeys(_more(one), float("nan"))
            rows.append({"image": f"{one.name}, patches", **one.patches.means(), **nothing})
    return rows


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Everything, of plain values; what is not defined is None."""
    told = {
        "bands": list(judgement.bands),
        "pixels": judgement.pixels,
        "share": judgement.share,
        "changed_share": judgement.changed,
        "ergas_ratio": judgement.ratio,
        "images": [
            {
                "name": one.name,
                "whole": _scores(one.whole, judgement),
                "patches": None if one.patches is None else _scores(one.patches, judgement),
                "classes": {name: getattr(one.classes, name) for name in CLASSES},
                "rmse_changed": one.changed,
            }
            for one in judgement.images
        ],
    }
    plain: dict[str, Any] = _without_nan(told)
    return plain


def _more(one: Judged) -> dict[str, float]:
    return {"changed": one.changed, "oa": one.classes.accuracy, "f1": one.classes.f1}


def _scores(scores: Scores, judgement: Judgement) -> dict[str, Any]:
    by_band = zip(judgement.bands, scores.bands, strict=True)
    return {**scores.means(), "by_band": {band: one._asdict() for band, one in by_band}}


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value
