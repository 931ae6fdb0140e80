"""Write the encoder of a shipped codec as C: FOLDER/src holds the engine, the plan and encoder.h.

usage: python write_encoder.py FOLDER [MODEL]     (MODEL: id of a codec, default tinycompress-16)
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from edge_sr.codec import opening
from edge_sr.engine.build import SOURCES
from edge_sr.engine.c_source import c_header, c_source
from edge_sr.engine.plan import make_plan
from edge_sr.graph import read_graph
from edge_sr.zoo import catalog

_HEADER = """\
/* The encoder of {model}, written by write_encoder.py. */
#ifndef ENCODER_H
#define ENCODER_H

#include "esr_tcz.h"

#ifdef __cplusplus
extern "C" {{
#endif

#include "encoder_plan.h"

#ifdef __cplusplus
}}
#endif

#define ENCODER_STEP {step}u     /* pixels per sample, along each side */
#define ENCODER_CHANNELS {channels}u /* of the latents */

static const esr_tcz_network encoder_network = {{
    {{{id}}},
    {{{hash}}},
    {{{low}}},
    {{{high}}},
}};

#endif
"""


def main() -> None:
    """Write the folder."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder, model = Path(sys.argv[1]), (sys.argv[2:] or ["tinycompress-16"])[0]
    if (folder / "src").exists():
        sys.exit(f"{folder / 'src'} exists; name another folder")
    coding = opening.find(model=model)
    plan = make_plan(read_graph(catalog.find(model).file("int8", part="encoder").read_bytes()))
    _, latents = coding.encode(np.zeros((1, 1, 3), np.uint8))
    shutil.copytree(SOURCES, folder / "src")
    header = _HEADER.format(
        model=model,
        step=coding.step,
        channels=len(latents.low),
        id=", ".join(f"'{letter}'" for letter in coding.id),
        hash=", ".join(f"0x{byte:02x}" for byte in coding.hash),
        low=", ".join(f"{value:.9e}f" for value in latents.low),
        high=", ".join(f"{value:.9e}f" for value in latents.high),
    )
    (folder / "src" / "encoder.h").write_text(header, encoding="utf-8")
    (folder / "src" / "encoder_plan.h").write_text(c_header(plan, "encoder_plan"), "utf-8")
    (folder / "src" / "encoder_plan.c").write_text(c_source(plan, "encoder_plan"), "utf-8")


if __name__ == "__main__":
    main()
