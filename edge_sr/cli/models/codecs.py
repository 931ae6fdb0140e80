"""The table of codecs that `edge-sr models` prints: for the terminal, and as Markdown."""

from typing import TYPE_CHECKING

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
    """Return the table for the terminal; an empty list without codecs."""
    from rich.table import Table

    if not codecs:
        return []
    table = Table(title="Shipped codecs: encoder + decoder; quality with all bit planes")
    table.add_column("codec", no_wrap=True)
    for heading in (*_HEADINGS, *_scores(codecs)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in _rows(codecs):
        table.add_row(*row)
    return [table]


def _rows(codecs: "list[CodecSummary]") -> list[list[str]]:
    sets = _test_sets(codecs)
    return [
        [f"{codec.id} {precision}", *_costs(codec), *_quality(scores, sets)]
        for codec in codecs
        for precision, scores in codec.quality.items()
    ]


def _test_sets(codecs: "list[CodecSummary]") -> list[str]:
    """Return the test sets on the cards, each once."""
    scores = [scores for codec in codecs for scores in codec.quality.values()]
    return list(dict.fromkeys(name for each in scores for name in each))


def _scores(codecs: "list[CodecSummary]") -> list[str]:
    return [f"{name} {score}" for name in _test_sets(codecs) for score in _SCORES]


def _costs(codec: "CodecSummary") -> list[str]:
    return [
        str(codec.rate),
        *(
            " + ".join(f"{round(cost[part]):,}" for part in _PARTS)
            for cost in (codec.parameters, codec.macs_per_pixel)
        ),
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
