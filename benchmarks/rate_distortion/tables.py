"""Makes tables of rate and distortion from means and records."""

from collections.abc import Mapping, Sequence

from benchmarks.rate_distortion import published
from benchmarks.rate_distortion.published import Point
from benchmarks.rate_distortion.quality import Quality
from benchmarks.rate_distortion.records import Record
from benchmarks.rate_distortion.search import PSNRS, Hit, Identified, nearest
from benchmarks.rate_distortion.study import Mean
from benchmarks.rate_distortion.survey import Survey
from benchmarks.reports.table import Row, Table

KODAK = "kodak"
"""The folder name of the set that gets the figures published for Kodak."""

NONE = "-"


def number(value: float | None, digits: int) -> str:
    """Return a figure as text, "-" for None."""
    return NONE if value is None else f"{value:.{digits}f}"


def _printed(point: Point) -> str:
    """Return a published point in the slides' order."""
    return f"{point.ms_ssim:.4f} / {point.psnr:.4f} / {point.bpp:.4f}"


def _as_printed(entry: Record | Mean) -> str:
    """Return a measured point in the slides' order and by their measures."""
    quality = entry.quality if isinstance(entry, Mean) else entry
    ms_ssim = number(quality.slides_ms_ssim, 4)
    return f"{ms_ssim} / {quality.slides_psnr:.4f} / {entry.bpp:.4f}"


def _saved(bits: float | None, of: float | None) -> str:
    return NONE if bits is None or not of else f"{1 - bits / of:.1%}"


def beside_formats(
    collection: str, means: Sequence[Mean], matches: Mapping[str, Sequence[Mean | None]]
) -> Table:
    """Compare a network with the formats at its bpp.

    Args:
        collection: the set's name.
        means: of the network, by planes or by quality in tenths.
        matches: by format, one for each of `means`.
    """
    has_planes = means[0].raw is not None
    rows = []
    for place, ours in reversed(list(enumerate(means))):
        setting = f"{ours.setting}" if has_planes else f"{ours.setting / 10:g}"
        rows.append((setting, ours.codec, *_figures(ours)))
        for name, row in matches.items():
            match = row[place]
            label = name if match is None else f"{name} {match.setting}"
            rows.append(("", label, *_figures(match)))
    setting = "planes" if has_planes else "quality"
    headings = (setting, "codec, quality", "bpp", "PSNR-Y", "PSNR-RGB", "MS-SSIM")
    return Table(f"{collection}, {means[0].codec}", headings, tuple(map(Row, rows)))


def _figures(mean: Mean | None) -> tuple[str, ...]:
    if mean is None:
        return (NONE,) * 4
    quality = mean.quality
    decibels = (number(quality.psnr_y, 2), number(quality.psnr_rgb, 2))
    return (number(mean.bpp, 4), *decibels, number(quality.ms_ssim, 4))


def latents(collection: str, means: Sequence[Mean]) -> Table:
    """Return the bits per image pixel of several codes of the latents, by planes."""
    rows = []
    for mean in reversed(means):
        figures = (mean.raw, mean.static, mean.adaptive, mean.coded, mean.bpp)
        saved = (_saved(mean.coded, mean.static), _saved(mean.coded, mean.raw))
        rows.append((f"{mean.setting}", *(number(figure, 4) for figure in figures), *saved))
    headings = ("planes", "raw", "static", "adaptive", "ours", "file")
    saved_headings = ("saved over static", "saved over raw")
    title = f"{collection}, {means[0].codec}: bpp of the latents"
    return Table(title, (*headings, *saved_headings), tuple(map(Row, rows)))


def adaptive_coding(collection: str, curves: Mapping[int, Sequence[Mean]]) -> Table:
    """Return the slides' table of bpp with and without adaptive coding, with all planes.

    Args:
        collection: the set's name; Kodak gets the published figures.
        curves: networks with all planes, by rate.
    """
    printed = published.kodak_bpp() if collection.lower() == KODAK else {}
    rows = []
    for rate, means in sorted(curves.items()):
        for mean in means:
            static, aac = printed.get(rate, (None, None))
            order0 = (number(mean.adaptive, 4), _saved(mean.adaptive, mean.raw))
            ours = (number(mean.coded, 4), _saved(mean.coded, mean.raw))
            theirs = (number(static, 3), number(aac, 4), _saved(aac, static))
            rows.append((mean.codec, number(mean.raw, 4), *order0, *ours, *theirs))
    headings = ("network", "static", "order 0", "saved", "ours", "saved")
    theirs = ("published static", "published AAC", "saved")
    return Table(
        f"{collection}: bpp with all bit planes", (*headings, *theirs), tuple(map(Row, rows))
    )


def quantizers(collection: str, pairs: Sequence[tuple[Mean, Mean]]) -> Table:
    """Compare the two quantizers: clipped and normalized latents.

    Args:
        collection: the set's name.
        pairs: of each network, means with all planes, clipped and normalized.
    """
    rows = []
    for clipped, normalized in pairs:
        gain = normalized.quality.psnr_rgb - clipped.quality.psnr_rgb
        rows.append((clipped.codec, "clipping", *_figures(clipped), ""))
        rows.append(("", "normalization", *_figures(normalized), f"{gain:+.2f}"))
    headings = ("network", "quantizer", "bpp", "PSNR-Y", "PSNR-RGB", "MS-SSIM", "gain dB")
    return Table(f"{collection}: quantizers, all bit planes", headings, tuple(map(Row, rows)))


def bit_planes(
    collection: str, curves: Sequence[Sequence[Mean]], printed: Mapping[int, Point]
) -> Table:
    """Return the slides' figure of bit planes: means of each network, and the published image.

    Args:
        collection: the set's name.
        curves: of each network, means by planes.
        printed: published points by planes; if not empty, they get a column.
    """
    rows = []
    for place in reversed(range(len(curves[0]))):
        planes = curves[0][place].setting
        theirs = (_printed(printed[planes]),) if printed else ()
        rows.append((f"{planes}", *(_as_printed(means[place]) for means in curves), *theirs))
    column = (f"published, rate {published.BIT_PLANES_RATE}, one image",) if printed else ()
    headings = ("planes", *(means[0].codec for means in curves), *column)
    title = f"{collection}, means by bit planes: MS-SSIM / PSNR / bpp, measured as in the slides"
    return Table(title, headings, tuple(map(Row, rows)))


def every_image(records: Sequence[Record]) -> list[Table]:
    """Return MS-SSIM, PSNR and bpp of every image by the number of planes, of one network."""
    images = list(dict.fromkeys(record.image for record in records))
    settings = sorted({record.setting for record in records}, reverse=True)
    by_image = {(record.image, record.setting): record for record in records}
    tables = []
    for what, digits in (("slides_ms_ssim", 4), ("slides_psnr", 2), ("bpp", 4)):
        rows = [
            (image, *(number(getattr(by_image[image, s], what), digits) for s in settings))
            for image in images
        ]
        label = {"slides_ms_ssim": "MS-SSIM", "slides_psnr": "PSNR", "bpp": "bpp"}[what]
        title = f"{records[0].collection}, {records[0].codec}: {label} by bit planes"
        tables.append(Table(title, ("image", *map(str, settings)), tuple(map(Row, rows))))
    return tables


def one_image(records: Sequence[Record], rates: Mapping[str, int]) -> Table:
    """Compare every image at several rates with the image in the slides.

    Args:
        records: with all planes, of several networks.
        rates: of networks by id, in the order of the columns.
    """
    images = list(dict.fromkeys(record.image for record in records))
    by_image = {(record.image, record.codec): record for record in records}
    points = published.points(published.ONE_IMAGE)
    theirs = [_printed(points[rate]) if rate in points else NONE for rate in rates.values()]
    rows = [("published, one image", *theirs)]
    rows += [(image, *(_as_printed(by_image[image, codec]) for codec in rates)) for image in images]
    title = f"{records[0].collection}: MS-SSIM / PSNR / bpp, measured as in the slides"
    return Table(title, ("image", *rates), tuple(map(Row, rows)))


def jpeg_hits(records: Sequence[Record], count: int, identified: Identified | None) -> Table:
    """Return the files nearest to each JPEG in the slides, `count` for each kind of PSNR."""
    rows: list[tuple[str, ...]] = []
    for point in published.points(published.JPEG).values():
        rows.append(("published", "", "", f"{point.bpp:.4f}", "", f"{point.psnr:.4f}", ""))
        hits = [hit for psnr in PSNRS for hit in nearest(records, point, psnr, count)]
        rows += [_hit_row(hit) for hit in hits]
    headings = ("image", "codec", "quality", "bpp", "PSNR of", "dB", "match")
    title = "nearest JPEG files to those in the slides"
    return Table(title, headings, tuple(map(Row, rows)), verdict(identified))


def _hit_row(hit: Hit) -> tuple[str, ...]:
    record = hit.record
    decibels = f"{getattr(record, hit.psnr):.4f}"
    name = (record.image, record.codec, f"{record.setting}", f"{record.bpp:.4f}")
    return (*name, PSNRS[hit.psnr], decibels, "yes" if hit.fits else "")


def verdict(identified: Identified | None) -> str:
    """Return a sentence on which image the slides' JPEG files show."""
    if identified is None:
        return "no image here has a matching JPEG file for each one in the slides"
    qualities = ", ".join(f"{record.setting}" for record in identified.files.values())
    return (
        f"{identified.image} has a matching JPEG file for each one in the slides, at qualities "
        f"{qualities}, by the PSNR of {PSNRS[identified.psnr]}"
    )


def beside_jpeg(identified: Identified, ours: Mapping[int, Sequence[Record]]) -> Table:
    """Return the slides' comparison with JPEG, on the identified image.

    Args:
        identified: the image and its files by rate.
        ours: records of that image with all planes, by rate.
    """
    theirs, printed = published.points(published.BESIDE_JPEG), published.points(published.JPEG)
    rows = []
    for rate, point in theirs.items():
        jpeg = (_printed(printed[rate]), _as_printed(identified.files[rate]))
        measured = [(record.codec, _as_printed(record)) for record in ours.get(rate, ())]
        rows += [
            (f"{rate}", *network, _printed(point), *jpeg) for network in measured or [(NONE, NONE)]
        ]
    headings = ("rate", "network", "ours", "published", "JPEG, published", "JPEG, ours")
    title = f"{identified.image}: MS-SSIM / PSNR / bpp, measured as in the slides"
    return Table(title, headings, tuple(map(Row, rows)))


def survey_tables(survey: Survey) -> list[Table]:
    """Return the tables of a set: formats at each network's bpp, then codes of the latents."""
    formats = []
    for place, curve in enumerate(survey.curves):
        matches = {name: rows[place] for name, rows in survey.matches.items()}
        formats.append(beside_formats(survey.collection, curve, matches))
    with_planes = [curve for curve in survey.curves if curve[0].raw is not None]
    return [*formats, *(latents(survey.collection, curve) for curve in with_planes)]


def at_equal_bpp(collection: str, rows: Mapping[float, Mapping[str, Quality]]) -> Table:
    """Compare codecs at the same bits per pixel.

    Args:
        collection: the set's name.
        rows: by bits per pixel, then by codec: what it reaches there.
    """
    cells = []
    for bpp, codecs in rows.items():
        for number_of, (name, quality) in enumerate(codecs.items()):
            decibels = (number(quality.psnr_y, 2), number(quality.psnr_rgb, 2))
            first = f"{bpp:g}" if number_of == 0 else ""
            cells.append((first, name, *decibels, number(quality.ms_ssim, 4)))
    title = f"{collection}: codecs at equal bits per pixel, means of whole files"
    headings = ("bpp", "codec", "PSNR-Y", "PSNR-RGB", "MS-SSIM")
    return Table(title, headings, tuple(map(Row, cells)))
