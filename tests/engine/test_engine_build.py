"""Building the shared library, and the messages where it cannot be built."""

import re
from pathlib import Path

import pytest
from PIL import Image

from edge_sr.cli.main import run
from edge_sr.engine import binding, build
from edge_sr.errors import UserError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for package and cache, both without a library."""
    monkeypatch.setattr(build, "FOLDER", tmp_path / "package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_checkout_builds_its_library_once(bare: Path) -> None:
    library = build.library()
    assert library == bare / "package" / build.library_name()
    stamp = library.stat().st_mtime_ns
    assert build.library().stat().st_mtime_ns == stamp
    assert [path.name for path in library.parent.iterdir()] == [library.name]


def test_a_read_only_package_builds_in_the_cache(bare: Path) -> None:
    (bare / "package").write_text("a file where the folder would be")
    assert build.library() == bare / "cache" / "edge-sr" / build.library_name()


def test_without_a_writable_folder_both_folders_are_named(bare: Path) -> None:
    for name in ("package", "cache"):
        (bare / name).write_text("a file where the folder would be")
    with pytest.raises(UserError, match=r"neither .*package nor .*edge-sr is writable$"):
        build.library()


def test_a_missing_compiler_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(UserError, match="no C compiler was found; install gcc or clang"):
        build.library()


def test_the_command_line_reports_a_missing_compiler_in_one_line(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (9, 9)).save(bare / "in.png")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    binding.load.cache_clear()
    target = bare / "out.png"
    assert run(["upscale", str(bare / "in.png"), str(target), "--runtime", "engine"]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not target.exists()


def test_the_message_of_a_failing_compiler_is_shown(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = bare / "broken-cc"
    script.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(UserError, match="broken-cc cannot compile the engine: out of luck"):
        build.library()
    assert list((bare / "package").iterdir()) == []


def test_the_name_changes_with_the_sources(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.library_name()
    copy = bare / "c"
    copy.mkdir()
    for path in build.SOURCES.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "SOURCES", copy)
    assert build.library_name() == before
    (copy / "esr.c").write_bytes(b"/* changed */")
    assert build.library_name() != before
    assert re.fullmatch(r"libesr-[0-9a-f]{16}\.(so|dylib|dll)", before)
