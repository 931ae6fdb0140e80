"""Makes tables of a study's results and the published figures."""

from collections.abc import Mapping, Sequence

from benchmarks.reports.table import Row, Table
from benchmarks.reproduce import published
from benchmarks.reproduce.judge import judge, spread
from benchmarks.reproduce.published import Published
from benchmarks.reproduce.results import Result, Results
from benchmarks.reproduce.study import Run, Study, repetitions, split_column

_DIGITS = {"psnr": 2, "ssim": 4}
_NAMES = {"psnr": "PSNR, dB", "ssim": "SSIM"}
MISSING, NONE = "missing", "-"


def tables(study: Study, results: Results) -> list[Table]:
    """Return a table for each figure, and one of percentages where runs have a baseline."""
    printed = published.load(study.published)
    by_run: dict[str, list[Result]] = {run.name: [] for run in study.run}
    for result in results.results:
        by_run.setdefault(result.run, []).append(result)
    all_tables = [_table(study, results, figure, by_run, printed) for figure in study.figures]
    if any(run.baseline for run in study.run):
        all_tables.append(_percentages(study, results, by_run, printed))
    return all_tables


def _title(study: Study, results: Results, what: str) -> str:
    return f"{study.title}: {what}{', quick' if results.quick else ''}"


def _note(study: Study, results: Results, figure: str, printed: Published) -> str:
    shortened = f"Quick: {study.quick.about}" if results.quick else study.about
    lines = [
        *judge(study, results.results, ("psnr", "wobble") if figure == "psnr" else (figure,)),
        f"{shortened} {_images(study, results)}; mean over seeds ± standard deviation.",
        f"In brackets: published in {printed.source}." if printed.source else "",
        _missing(study, results),
    ]
    return "\n".join(line for line in lines if line)


def _images(study: Study, results: Results) -> str:
    held_out = study.recipe_of(study.run[-1], results.quick).data.validation_images
    return f"Trained on {results.data.split(',')[0]}, {held_out} of them for validation"


def _missing(study: Study, results: Results) -> str:
    """Return why figures are missing."""
    if not results.results:
        return "Missing: no run has finished yet."
    absent = [name for name in study.sets if not _has_scores(name, results)]
    if not absent:
        return ""
    return f"Missing: {', '.join(absent)}; name the images with --test-data {absent[0]}=DIR."


def _has_scores(name: str, results: Results) -> bool:
    columns = (score.column for result in results.results for score in result.scores)
    return any(split_column(column)[0] == name for column in columns)


def _table(
    study: Study,
    results: Results,
    figure: str,
    by_run: Mapping[str, list[Result]],
    printed: Published,
) -> Table:
    rows = [_row(study, run, figure, by_run[run.name], printed) for run in study.run]
    others = [name for name in printed.rows(figure) if name not in by_run]
    rows += [_printed_row(study, name, figure, printed) for name in others]
    return Table(
        _title(study, results, _NAMES[figure]),
        ("run", "parameters", "seeds", *study.columns),
        tuple(rows),
        _note(study, results, figure, printed),
    )


def _row(study: Study, run: Run, figure: str, results: Sequence[Result], printed: Published) -> Row:
    theirs = printed.figures.get(figure, {}).get(run.name, {})
    cells = [
        _with(_cell(run, column, figure, results), _text(theirs.get(column), figure))
        for column in study.columns
    ]
    diverged = [result.seed for result in results if result.diverged]
    flags = (f"diverged with seed {', '.join(map(str, diverged))}",) if diverged else ()
    return Row(
        (run.name, _parameters(run.name, results, printed), str(len(results)), *cells), flags
    )


def _printed_row(study: Study, name: str, figure: str, printed: Published) -> Row:
    theirs = printed.figures[figure][name]
    cells = [_with("", _text(theirs.get(column), figure)) or NONE for column in study.columns]
    return Row((name, _parameters(name, (), printed), NONE, *cells))


def _parameters(name: str, results: Sequence[Result], printed: Published) -> str:
    ours = f"{results[0].parameters:,}" if results and results[0].parameters else ""
    count = printed.counts.get("parameters", {}).get(name)
    return _with(ours, "" if count is None else f"{count:,}") or NONE


def _with(ours: str, theirs: str) -> str:
    return " ".join(text for text in (ours, f"({theirs})" if theirs else "") if text)


def _text(value: float | None, figure: str) -> str:
    # Papers print PSNR with two or three digits; ours has as many as its deviation allows.
    return "" if value is None else f"{value:.{_DIGITS[figure]}f}"


def _cell(run: Run, column: str, figure: str, results: Sequence[Result]) -> str:
    if not repetitions(run, split_column(column)[1]):
        return NONE
    scores = [score for result in results for score in result.scores if score.column == column]
    values = [getattr(score, figure) for score in scores]
    if not values or None in values:
        return NONE if values else MISSING
    digits = _DIGITS[figure]
    seeds = spread(values)
    deviation = "" if seeds.deviation is None else f" ± {seeds.deviation:.{digits}f}"
    return f"{seeds.mean:.{digits}f}{deviation}"


# --- percentages of a baseline


def _percentages(
    study: Study, results: Results, by_run: Mapping[str, list[Result]], printed: Published
) -> Table:
    """Return parameters and PSNR gain in percent of the baseline's parameters and dB."""
    rows = []
    for run in study.run:
        if not run.baseline:
            continue
        ours, theirs = by_run[run.name], by_run[run.baseline]
        share = ""
        if ours and theirs and theirs[0].parameters:
            share = f"{100 * ours[0].parameters / theirs[0].parameters:.2f}"
        gains = [_gain(column, ours, theirs) for column in study.columns]
        cells = [_with(share or MISSING, _percent(printed, "parameters_percent", run.name))]
        percent = _percent(printed, "psnr_gain_percent", run.name)
        cells += [_with(gains[0], percent), *gains[1:]]
        rows.append(Row((run.name, run.baseline, *cells)))
    return Table(
        _title(study, results, "in percent of the baseline"),
        ("run", "baseline", "parameters", *(f"PSNR gain, {c}" for c in study.columns)),
        tuple(rows),
        "\n".join(
            [
                *judge(study, results.results, ("psnr",)),
                "The PSNR gain is in percent of the figure in dB, as in the slides. The slides "
                "call the share of parameters an increase.",
            ]
        ),
    )


def _percent(printed: Published, name: str, row: str) -> str:
    value = printed.counts.get(name, {}).get(row)
    return "" if value is None else f"{value:.2f}"


def _gain(column: str, ours: Sequence[Result], theirs: Sequence[Result]) -> str:
    means = []
    for results in (ours, theirs):
        scores = [s.psnr for r in results for s in r.scores if s.column == column]
        if not scores or None in scores:
            return MISSING
        means.append(spread([score for score in scores if score is not None]).mean)
    return f"{100 * (means[0] / means[1] - 1):.2f}"
