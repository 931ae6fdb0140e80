"""The engine's C headers: version, licence, and a description of every parameter."""

import re

import pytest

import edge_sr
from edge_sr.engine import binding
from edge_sr.engine.build import SOURCES

PUBLIC = ("esr.h", "esr_coder.h", "esr_tcz.h", "esr_tcz2.h")

DECLARATION = re.compile(
    r"(?:/\*\*(?P<comment>(?:(?!\*/).)*)\*/\n)?"
    r"^(?:typedef )?[a-z_0-9 ]+\**\(?\*?(?P<name>esr_\w+)\)?\((?P<parameters>[^()]*)\);",
    re.MULTILINE | re.DOTALL,
)


def test_the_header_and_the_library_state_the_version_of_the_package() -> None:
    header = (SOURCES / "esr.h").read_text()
    parts = [
        int(re.search(rf"#define ESR_VERSION_{name} (\d+)\n", header)[1])
        for name in ("MAJOR", "MINOR", "PATCH")
    ]
    assert ".".join(map(str, parts)) == edge_sr.__version__
    assert binding.load().esr_version() == parts[0] * 10000 + parts[1] * 100 + parts[2]


def test_every_file_of_the_engine_states_its_licence_and_project() -> None:
    for path in sorted(SOURCES.glob("*.[ch]")):
        text = path.read_text()
        assert text.startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"), path.name
        assert "edge-sr's engine" in text[:400], path.name


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_describes_its_parameters_and_result(name: str) -> None:
    found = list(DECLARATION.finditer((SOURCES / name).read_text()))
    assert found
    for match in found:
        comment = match["comment"]
        assert comment, f"{match['name']} has no description"
        parameters = [
            re.search(r"(\w+)$", text.strip())[1]
            for text in match["parameters"].split(",")
            if text.strip() != "void"
        ]
        documented = re.findall(r"@param(?:\[[a-z,]+\])? (\w+) ", comment)
        assert documented == parameters, match["name"]
        assert "@return" in comment or "Return " in comment, match["name"]
