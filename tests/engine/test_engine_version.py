"""The version in the engine's header, in its library and of the package are one."""

import re

import edge_sr
from edge_sr.engine import binding
from edge_sr.engine.build import SOURCES


def test_the_header_and_the_library_state_the_version_of_the_package() -> None:
    header = (SOURCES / "esr.h").read_text()
    parts = [
        int(re.search(rf"#define ESR_VERSION_{name} (\d+)\n", header)[1])
        for name in ("MAJOR", "MINOR", "PATCH")
    ]
    assert ".".join(map(str, parts)) == edge_sr.__version__
    assert binding.load().esr_version() == parts[0] * 10000 + parts[1] * 100 + parts[2]


def test_every_file_of_the_engine_states_its_licence() -> None:
    for path in sorted(SOURCES.glob("*.[ch]")):
        first = path.read_text().splitlines()[0]
        assert first == "/* SPDX-License-Identifier: Apache-2.0 */", path.name
