"""The table of codecs that `edge-sr models` prints: for the terminal, and as Markdown."""

from typing import TYPE_CHECKING

from edge_sr.cli.models.table import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from edge_sr.zoo.summary import CodecSummary

_HEADINGS = ("rate", "parameters", "MACs per pixel")
_SCORES = ("bpp", "PSNR-Y", "PSNR-RGB", "MS-SSIM")
_PARTS = ("encoder", "decoder")


def markdown_lines(codecs: "list[CodecSummary]") -> list[str]:
    """Return a Markdown table, line by line: a row for each codec and precision."""
    if not codecs:
        return []
    headings = (*_HEADINGS, *_scores(codecs))
    lines = [f"| | {' | '.join(headings)} |", "|---|" + "---:|" * len(headings)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in _rows(codecs))]


def tables(codecs: "list[CodecSummary]") -> "list[Table]":
    """Return the tables for the terminal, one for each test set; an empty list without codecs."""
    return [_table(codecs, name) for name in _test_sets(codecs)]


def _table(codecs: "list[CodecSummary]", test_set: str) -> "Table":
    title = f"Shipped codecs, both networks; PSNR on {test_set} with all planes, or at quality q"
    headings = ("rate", "weights", "MACs", "bpp", "Y dB", "RGB dB", "MS-SSIM")
    table = new_table(title, "codec", headings)
    for codec in codecs:
        costs = (sum(codec.parameters.values()), sum(codec.macs_per_pixel.values()))
        for precision, scores in codec.quality.items():
            if test_set in scores:
                cells = (*(f"{round(cost):,}" for cost in costs), *_score(scores[test_set]))
                table.add_row(codec.id, precision, _rate(codec, scores[test_set]), *cells)
    return table


def _rows(codecs: "list[CodecSummary]") -> list[list[str]]:
    sets = _test_sets(codecs)
    return [
        [
            f"{codec.id} {precision}",
            _rate(codec, *scores.values()),
            *_costs(codec),
            *_quality(scores, sets),
        ]
        for codec in codecs
        for precision, scores in codec.quality.items()
    ]


def _test_sets(codecs: "list[CodecSummary]") -> list[str]:
    """Return the test sets on the cards, each once."""
    scores = [scores for codec in codecs for scores in codec.quality.values()]
    return list(dict.fromkeys(name for each in scores for name in each))


def _scores(codecs: "list[CodecSummary]") -> list[str]:
    return [f"{name} {score}" for name in _test_sets(codecs) for score in _SCORES]


def _rate(codec: "CodecSummary", *scores: dict[str, float]) -> str:
    """Return the rate, or the quality at which a codec that has qualities was measured."""
    if codec.rate is not None:
        return f"{codec.rate:,}"
    measured = next((score["quality"] for score in scores if "quality" in score), None)
    return "" if measured is None else f"q {measured:.2g}"


def _costs(codec: "CodecSummary") -> list[str]:
    return [
        " + ".join(f"{round(cost[part]):,}" for part in _PARTS)
        for cost in (codec.parameters, codec.macs_per_pixel)
    ]


def _quality(scores: dict[str, dict[str, float]], sets: list[str]) -> list[str]:
    cells = []
    for name in sets:
        cells += _score(scores[name]) if name in scores else [""] * len(_SCORES)
    return cells


def _score(score: dict[str, float]) -> list[str]:
    return [
        f"{score['bpp']:.3f}",
        f"{score['psnr_y']:.2f}",
        f"{score['psnr_rgb']:.2f}",
        f"{score['ms_ssim']:.4f}",
    ]
