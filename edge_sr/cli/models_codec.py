"""`edge-sr models`: the shipped codecs, in a table of their own."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from edge_sr.zoo.catalog import Entry

_HEADINGS = ("rate", "parameters", "MACs per pixel")
_SCORES = ("bpp", "PSNR-Y", "PSNR-RGB", "MS-SSIM")
_PARTS = ("encoder", "decoder")


def describe(codec: "Entry") -> dict[str, Any]:
    """What the table says of one codec; costs are computed from its files.

    Parameters and MACs are those of the encoder and of the decoder; MACs are per pixel of the
    image, and weights that are applied in several passes count once as parameters.
    """
    from edge_sr import graph
    from edge_sr.models.tinycompress import CodecConfig

    rate = codec.rate
    passes = CodecConfig(rate=rate).iterations
    quality = codec.card.quality
    networks = {part: graph.read_graph(codec.file(min(quality), part=part)) for part in _PARTS}
    images = {"encoder": networks["encoder"].input, "decoder": networks["decoder"].output}
    return {
        "id": codec.id,
        "model": codec.id,
        "rate": rate,
        "parameters": {
            part: graph.parameters(network) // passes for part, network in networks.items()
        },
        "macs_per_pixel": {
            part: graph.macs(network) / (images[part].shape[1] * images[part].shape[2])
            for part, network in networks.items()
        },
        "quality": quality,
    }


def markdown_lines(facts: list[dict[str, Any]]) -> list[str]:
    """A Markdown table of the codecs, a row for each kind that ships."""
    if not facts:
        return []
    lines = [
        f"| | {' | '.join((*_HEADINGS, *_scores(facts)))} |",
        "|---|" + "---:|" * (len(_HEADINGS) + len(_scores(facts))),
    ]
    for fact in facts:
        for kind in fact["quality"]:
            cells = [f"{fact['model']} {kind}", *_costs(fact), *_quality(fact, kind, facts)]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def table(facts: list[dict[str, Any]]) -> "Table":
    """The codecs as a table for the terminal."""
    from rich.table import Table

    made = Table(title="Shipped codecs: encoder + decoder; quality with all bit planes")
    made.add_column("codec", no_wrap=True)
    for heading in (*_HEADINGS, *_scores(facts)):
        made.add_column(heading, justify="right", no_wrap=True)
    for fact in facts:
        for kind in fact["quality"]:
            cells = [*_costs(fact), *_quality(fact, kind, facts)]
            made.add_row(f"{fact['model']} {kind}", *cells)
    return made


def _sets(facts: list[dict[str, Any]]) -> list[str]:
    """The test sets that are on the cards."""
    return list(
        dict.fromkeys(name for fact in facts for kind in fact["quality"].values() for name in kind)
    )


def _scores(facts: list[dict[str, Any]]) -> list[str]:
    return [f"{name} {score}" for name in _sets(facts) for score in _SCORES]


def _costs(fact: dict[str, Any]) -> list[str]:
    both = (fact["parameters"], fact["macs_per_pixel"])
    return [
        str(fact["rate"]),
        *(" + ".join(f"{round(cost[part]):,}" for part in _PARTS) for cost in both),
    ]


def _quality(fact: dict[str, Any], kind: str, facts: list[dict[str, Any]]) -> list[str]:
    cells = []
    for name in _sets(facts):
        score = fact["quality"].get(kind, {}).get(name)
        cells += [""] * len(_SCORES) if score is None else _score(score)
    return cells


def _score(score: dict[str, float]) -> list[str]:
    return [
        f"{score['bpp']:.3f}",
        f"{score['psnr_y']:.2f}",
        f"{score['psnr_rgb']:.2f}",
        f"{score['ms_ssim']:.4f}",
    ]
