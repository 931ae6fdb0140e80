"""`edge-sr compress`, `decompress` and `info`."""

import contextlib
import errno
import io
import os
import pty
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import EdgeSr
from PIL import Image, ImageCms
from processes import Processes

from edge_sr.codec import codec, container, opening
from edge_sr.codec.quantizer import Kind
from edge_sr.zoo import catalog

GOLDEN = Path(__file__).parent.parent / "golden"
CODEC = GOLDEN / "tinycompress-16"

pytestmark = pytest.mark.usefixtures("stand_ins")


@pytest.fixture
def image_file(photographs: Path, tmp_path: Path) -> Path:
    """An image of 37x22 pixels."""
    with Image.open(photographs / "astronaut0.png") as image:
        image.crop((40, 30, 77, 52)).save(tmp_path / "in.png")
    return tmp_path / "in.png"


@pytest.fixture
def file(image_file: Path, tmp_path: Path) -> Path:
    """The compressed image."""
    (tmp_path / "in.tcz").write_bytes(codec.compress(pixels_of(image_file), opening.find()))
    return tmp_path / "in.tcz"


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_file_decompresses_to_what_the_library_computes(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    result = edge_sr("compress", image_file, tmp_path / "a.tcz")
    assert (result.code, result.out, result.err) == (0, "", "")
    data = (tmp_path / "a.tcz").read_bytes()
    assert data == codec.compress(pixels_of(image_file), opening.find())
    result = edge_sr("decompress", tmp_path / "a.tcz", tmp_path / "out.png")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert np.array_equal(pixels_of(tmp_path / "out.png"), codec.decompress(data).pixels)


@pytest.mark.parametrize(
    ("options", "rate", "int8", "planes", "kind"),
    [
        (["--rate", "4"], 4, True, 8, Kind.CLIPPING),
        (["--float32"], 16, False, 8, Kind.CLIPPING),
        (["--planes", "3"], 16, True, 3, Kind.CLIPPING),
        (["--float32", "--quantizer", "normalization"], 16, False, 8, Kind.NORMALIZATION),
        (["--model", "tinycompress-4", "--threads", "2"], 4, True, 8, Kind.CLIPPING),
        (["--model", GOLDEN / "tinycompress-4"], 4, True, 8, Kind.CLIPPING),
    ],
)
def test_options_reach_the_codec(
    edge_sr: EdgeSr,
    image_file: Path,
    tmp_path: Path,
    options: list[object],
    rate: int,
    int8: bool,
    planes: int,
    kind: Kind,
) -> None:
    assert edge_sr("compress", image_file, tmp_path / "a.tcz", *options).code == 0
    expected = codec.compress(pixels_of(image_file), opening.find(rate, int8), planes, kind)
    assert (tmp_path / "a.tcz").read_bytes() == expected


def test_target_bpp_keeps_the_planes_that_fit(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    data = codec.compress(pixels_of(image_file), opening.find(), 5)
    bpp = 8 * len(data) / (37 * 22) + 0.001
    assert edge_sr("compress", image_file, tmp_path / "a.tcz", "--target-bpp", bpp).code == 0
    assert (tmp_path / "a.tcz").read_bytes() == data
    command = ("compress", image_file, tmp_path / "b.tcz", "--target-bpp", "0.01")
    assert "one bit plane alone needs" in edge_sr.refuses(*command)
    assert not (tmp_path / "b.tcz").exists()


def test_planes_limits_what_is_decoded(edge_sr: EdgeSr, file: Path, tmp_path: Path) -> None:
    assert edge_sr("decompress", file, tmp_path / "out.png", "--planes", 2).code == 0
    expected = codec.decompress(file.read_bytes(), planes=2).pixels
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected)


def test_standard_input_and_output(image_file: Path, file: Path, tmp_path: Path) -> None:
    start = f"""
import sys
from pathlib import Path
from edge_sr.zoo import catalog
catalog.FOLDER = Path({str(GOLDEN)!r})
from edge_sr.cli.main import main
main()
"""

    def run(command: str, data: bytes) -> bytes:
        arguments = [sys.executable, "-c", start, command, "-", "-"]
        done = subprocess.run(arguments, input=data, capture_output=True, check=True)
        assert done.stderr == b""
        return done.stdout

    assert run("compress", image_file.read_bytes()) == file.read_bytes()
    with Image.open(io.BytesIO(run("decompress", file.read_bytes()))) as image:
        assert image.format == "PNG"
        expected = codec.decompress(file.read_bytes()).pixels
        assert np.array_equal(np.asarray(image), expected)


def test_a_terminal_as_output_is_refused(
    edge_sr: EdgeSr, image_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "standard output is a terminal" in edge_sr.refuses("compress", image_file, "-")


@pytest.mark.parametrize("name", ["bad.png", "bad.tcz"])
def test_bad_standard_input_is_named(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    command = "compress" if name == "bad.png" else "decompress"
    target = tmp_path / ("out.tcz" if name == "bad.png" else "out.png")
    for data in (b"", b"nothing", b"\x89TCZ\1"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert "standard input" in edge_sr.refuses(command, "-", target)
    assert list(tmp_path.iterdir()) == []


def test_folders(edge_sr: EdgeSr, photographs: Path, image_file: Path, tmp_path: Path) -> None:
    source, small, large = (tmp_path / name for name in ("many", "small", "large"))
    (source / "sub").mkdir(parents=True)
    with Image.open(image_file) as image:
        image.save(source / "a.png")
        image.save(source / "a.bmp")
        image.convert("L").save(source / "sub" / "b.tif")
    (source / "notes.txt").write_text("no image")
    result = edge_sr("compress", source, small)
    assert (result.code, result.out) == (0, "")
    assert result.err == f"edge-sr: skipped {source / 'notes.txt'}: not an image\n"
    assert names_in(small) == {"a.bmp.tcz", "a.png.tcz", "sub/b.tcz"}
    assert "exists; --force replaces it" in edge_sr("compress", source, small).err
    assert edge_sr("compress", source, small, "--force").code == 0
    (small / "notes.txt").write_text("no file of ours")
    result = edge_sr("decompress", small, large)
    assert result.code == 0
    assert result.err == f"edge-sr: skipped {small / 'notes.txt'}: not a .tcz file\n"
    assert names_in(large) == {"a.bmp.png", "a.png.png", "sub/b.png"}
    expected = codec.decompress((small / "sub" / "b.tcz").read_bytes()).pixels
    assert expected.ndim == 2
    assert np.array_equal(pixels_of(large / "sub" / "b.png"), expected)


def test_a_bad_file_in_a_folder_does_not_stop_the_others(
    edge_sr: EdgeSr, file: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "many", tmp_path / "large"
    source.mkdir()
    data = file.read_bytes()
    for name, content in (("a", data[:100]), ("b", data), ("c", b"")):
        (source / f"{name}.tcz").write_bytes(content)
    result = edge_sr("decompress", source, target)
    assert (result.code, names_in(target)) == (2, {"b.png"})
    lines = result.err.splitlines()
    assert "a.tcz: this .tcz file is truncated within its header" in lines[0]
    assert "c.tcz: the file is empty" in lines[1]
    assert "2 of 3 .tcz files could not be decompressed" in lines[2]


def test_messages_appear_above_the_progress_bar(
    processes: Processes, file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for name in "abc":
        (source / f"{name}.tcz").write_bytes(file.read_bytes()[:-1])
    shown = on_a_terminal(processes, "decompress", source, tmp_path / "out", "--model", CODEC)
    assert "decompressing" in shown
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").split("\n")
    for name in "abc":
        (line,) = (line for line in lines if f"{name}.tcz" in line)
        words = "the file is truncated within plane 8 of 8; those before it are intact"
        assert line == f"edge-sr: {name}.tcz: {words}"


def on_a_terminal(processes: Processes, *arguments: object) -> str:
    """Return what `edge-sr` writes to standard error on a terminal."""
    host, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = processes.edge_sr(
        *arguments, stdout=subprocess.DEVNULL, stderr=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    # On Linux, reading a terminal without writers raises an error.
    with contextlib.suppress(OSError):
        while piece := os.read(host, 4096):
            shown += piece
    os.close(host)
    assert process.wait() == 0, shown
    return shown.decode()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("L", ""),
        ("RGBA", "in.png: transparency was dropped"),
        ("I;16", "in.png: 16 bits became 8"),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (9, 4)])
def test_image_modes_are_kept_or_converted(
    edge_sr: EdgeSr, tmp_path: Path, mode: str, words: str, size: tuple[int, int]
) -> None:
    Image.new(mode, size).save(tmp_path / "in.png")
    result = edge_sr("compress", tmp_path / "in.png", tmp_path / "a.tcz")
    assert (result.code, result.out) == (0, "")
    assert result.err == (f"edge-sr: {words}\n" if words else "")
    assert edge_sr("decompress", tmp_path / "a.tcz", tmp_path / "out.png").code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert (image.size, image.mode) == (size, "RGB" if mode == "RGBA" else "L")


def test_a_note_says_that_the_colour_profile_is_dropped(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(image_file) as image:
        image.save(image_file, icc_profile=profile)
    result = edge_sr("compress", image_file, tmp_path / "a.tcz")
    assert (result.code, result.err) == (0, "edge-sr: in.png: its colour profile was left out\n")


def test_a_truncated_file_decodes_with_a_note(edge_sr: EdgeSr, file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    result = edge_sr("decompress", file, tmp_path / "out.png")
    assert (result.code, result.err) == (
        0,
        "edge-sr: in.tcz: the file is truncated within plane 8 of 8; those before it are intact\n",
    )
    expected = codec.decompress(whole, planes=7).pixels
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected)


def test_salvage_decodes_up_to_the_damage(edge_sr: EdgeSr, file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    command = ("decompress", file, tmp_path / "out.png")
    assert "`edge-sr decompress --salvage` decodes the 7 before it" in edge_sr.refuses(*command)
    result = edge_sr(*command, "--salvage")
    assert result.code == 0
    assert "in.tcz: plane 8 of 8 is damaged; those before it are intact" in result.err
    expected = codec.decompress(whole, planes=7).pixels
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected)


def test_surplus_bytes_are_refused_or_ignored(edge_sr: EdgeSr, file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole + b"\0")
    command = ("decompress", file, tmp_path / "out.png")
    assert "has surplus bytes after its last plane" in edge_sr.refuses(*command)
    result = edge_sr(*command, "--salvage")
    words = "in.tcz: the file has surplus bytes after its last plane; its planes are intact"
    assert (result.code, result.err) == (0, f"edge-sr: {words}\n")
    assert np.array_equal(pixels_of(tmp_path / "out.png"), codec.decompress(whole).pixels)


def test_intact_planes_decode_without_salvage(edge_sr: EdgeSr, file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    result = edge_sr("decompress", file, tmp_path / "out.png", "--planes", 3)
    words = "in.tcz: plane 8 of 8 is damaged; those before it are intact"
    assert (result.code, result.err) == (0, f"edge-sr: {words}\n")
    expected = codec.decompress(whole, planes=3).pixels
    assert np.array_equal(pixels_of(tmp_path / "out.png"), expected)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """Return the file with another image size in its header."""
    head = bytearray(data[: container.inspect(data).head - 4])
    head[12:20] = struct.pack("<2I", width, height)
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + data[len(head) + 4 :]


def test_max_pixels_limits_the_image_size(
    edge_sr: EdgeSr, image_file: Path, file: Path, tmp_path: Path
) -> None:
    command = ("compress", image_file, tmp_path / "a.tcz", "--max-pixels")
    words = "claims 37x22 pixels; the limit is 813, which --max-pixels raises"
    assert f"{image_file} {words}" in edge_sr.refuses(*command, 813)
    assert edge_sr(*command, 814).code == 0
    command = ("decompress", file, tmp_path / "out.png", "--max-pixels")
    assert words in edge_sr.refuses(*command, 813)
    assert edge_sr(*command, 814).code == 0
    file.write_bytes(claiming(file.read_bytes(), 60000, 60000))
    sentence = edge_sr.refuses("decompress", file, tmp_path / "b.png")
    assert "claims 60000x60000 pixels; the limit is 100000000" in sentence


def test_an_endless_file_is_read_up_to_its_header_size(file: Path) -> None:
    class Endless(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert size >= 0
            self.taken += size
            return super().read(size).ljust(size, b"\0")

    stream = Endless(file.read_bytes())
    data = container.read(stream)
    assert data == file.read_bytes() + b"\0"
    assert stream.taken == len(data)


def test_endless_standard_input_that_is_not_an_image_is_refused(
    edge_sr: EdgeSr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Zeros(io.RawIOBase):
        taken = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.taken += len(buffer)
            assert self.taken < 2**20
            return len(buffer)

    zeros = Zeros()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(zeros)))
    sentence = edge_sr.refuses("compress", "-", tmp_path / "a.tcz")
    assert "standard input is not an image that can be read" in sentence
    assert zeros.taken > 0


@pytest.mark.parametrize("form", ["png", "jpeg", "tiff", "bmp", "webp", "ppm", "tga", "gif"])
def test_standard_input_takes_every_format(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    data = io.BytesIO()
    with Image.open(image_file) as image:
        image.resize((300, 300)).save(
            data, form
        )  # some formats exceed the bytes that are checked first
    data.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    result = edge_sr("compress", "-", tmp_path / "a.tcz")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--planes", "0"], "0 bit planes cannot be kept; use 1 to 8"),
        (["--planes", "9"], "9 bit planes cannot be kept; use 1 to 8"),
        (["--rate", "5"], "no rate 5; available: 4, 16, 64, 256"),
        (["--model", "none"], "unknown network 'none'; available: tinycompress-4"),
        (["--model", "tinycompress-4", "--rate", "16"], "has rate 4, not 16"),
        (["--quantizer", "rounding"], "available: clipping, normalization"),
        (["--quantizer", "normalization"], "use --float32 to normalize them"),
        (["--target-bpp", "nan"], "--target-bpp takes a number above 0"),
        (["--target-bpp", "-1"], "--target-bpp takes a number above 0"),
        (
            ["--target-bpp", "1", "--planes", "3"],
            "--planes and --target-bpp exclude each other; give one",
        ),
        (["--threads", "0"], "edge-sr: --threads takes 1 to 64, not 0"),
        (["--max-pixels", "0"], "--max-pixels"),
    ],
)
def test_invalid_options_are_refused(
    edge_sr: EdgeSr, image_file: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    assert words in edge_sr.refuses("compress", image_file, tmp_path / "a.tcz", *options)
    assert list(tmp_path.iterdir()) == [image_file]


def test_files_that_cannot_be_decompressed_are_refused(
    edge_sr: EdgeSr, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    assert "9 bit planes cannot be decoded; available: 8" in edge_sr.refuses(
        "decompress", file, out, "--planes", 9
    )
    sentence = edge_sr.refuses("decompress", file, out, "--model", "tinycompress-4")
    assert "needs the network 'tc-16-int8', and tinycompress-4 holds tc-4-int8 and tc-4; " in (
        sentence
    )
    assert "edge-sr: --threads takes" in edge_sr.refuses("decompress", file, out, "--threads", 65)
    assert "does not start with 89 54 43 5A" in edge_sr.refuses(
        "decompress", image_next_to(out), out
    )
    empty = out.with_name("empty.tcz")
    empty.write_bytes(b"")
    assert "empty.tcz: the file is empty" in edge_sr.refuses("decompress", empty, out)
    empty.unlink()
    data = file.read_bytes()
    file.write_bytes(data[:4] + b"\3" + data[5:])
    assert f"{file}: this .tcz file has version 3" in edge_sr.refuses("decompress", file, out)
    assert not out.exists()


def image_next_to(path: Path) -> Path:
    """Write a small image into the folder of a path."""
    Image.new("L", (3, 3)).save(path.with_name("other.png"))
    return path.with_name("other.png")


def test_unusable_paths_are_refused(
    edge_sr: EdgeSr, image_file: Path, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for command, source, good in (("compress", image_file, "a.tcz"), ("decompress", file, "a.png")):
        assert "no such file or folder" in edge_sr.refuses(command, tmp_path / "none", "x")
        assert "does not exist" in edge_sr.refuses(command, source, tmp_path / "no" / good)
        assert "it is a folder; name a file" in edge_sr.refuses(command, source, folder)
        assert "name a folder" in edge_sr.refuses(command, tmp_path, source)
        assert "holds no" in edge_sr.refuses(command, folder, tmp_path / "new")
        assert "standard output takes one" in edge_sr.refuses(command, tmp_path, "-")
        assert "input and output are both" in edge_sr.refuses(command, tmp_path, tmp_path)
        (tmp_path / good).write_text("keep me")
        assert "exists; --force replaces it" in edge_sr.refuses(command, source, tmp_path / good)
        assert (tmp_path / good).read_text() == "keep me"
    assert "its name must end in .tcz" in edge_sr.refuses(
        "compress", image_file, tmp_path / "a.jpg"
    )
    assert "unknown suffix; use one of" in edge_sr.refuses("decompress", file, tmp_path / "a.txt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
def test_a_full_standard_output_is_one_sentence(file: Path) -> None:
    command = "from edge_sr.cli.main import main; main()"
    arguments = [sys.executable, "-c", command, "decompress", file, "-", "--model", CODEC]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    words = "cannot write to standard output: No space left on device"
    assert (done.returncode, done.stderr) == (2, f"edge-sr: {words}\n")


def test_a_full_disk_is_one_sentence(
    edge_sr: EdgeSr, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", save)
    sentence = edge_sr.refuses("decompress", file, tmp_path / "out.png")
    assert sentence == f"edge-sr: cannot write {tmp_path / 'out.png'}: No space left on device\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert "not writable" in edge_sr.refuses("compress", image_file, folder / "a.tcz")


def test_info_of_a_file(edge_sr: EdgeSr, file: Path) -> None:
    result = edge_sr("info", file)
    assert (result.code, result.err) == (0, "")
    data = file.read_bytes()
    parts = container.inspect(data)
    lines = result.out.splitlines()
    assert lines[:6] == [
        "version:   1",
        "image:     37x22, rgb",
        f"network:   tc-16-int8, decoder {opening.find().hash.hex()}",
        "rate:      16, 3 channels of 10x6 samples",
        "quantizer: clipping, 0 to 1, 0 to 1, 0 to 1",
        f"size:      {len(data)} bytes, {8 * len(data) / 814:.4g} bits per pixel; header 136",
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "intact" in line]
    assert rows == [
        [str(number), str(plane.size), f"{8 * plane.size / 814:.4g}", "intact"]
        for number, plane in enumerate(parts.planes, 1)
    ]


def test_info_of_a_damaged_file(edge_sr: EdgeSr, file: Path) -> None:
    data = bytearray(file.read_bytes())
    parts = container.inspect(bytes(data))
    data[parts.head + parts.planes[0].size + parts.planes[1].size] ^= 1
    file.write_bytes(data[:-1])
    out = edge_sr("info", file).out
    states = [line.split("|")[4].strip() for line in out.splitlines() if line.startswith("| ")]
    assert states == ["state", *["intact"] * 2, "damaged", *["intact"] * 4, "truncated"]
    assert "2 of 8 planes can be decoded" in out
    (size,) = (line for line in out.splitlines() if line.startswith("size: "))
    assert f" {len(data)} bytes, " in size
    assert size.endswith(f"; the file has {len(data) - 1} bytes")
    file.write_bytes(bytes(data) + b"more")
    assert "has surplus bytes after its last plane" in edge_sr("info", file).out


def test_info_of_a_file_that_claims_gigabytes(edge_sr: EdgeSr, file: Path) -> None:
    data = bytearray(claiming(file.read_bytes(), 60000, 60000))
    head = container.inspect(bytes(data), 60000**2).head
    for plane in range(8):
        struct.pack_into("<I", data, 68 + 8 * plane, 2**29)
    struct.pack_into("<I", data, head - 4, zlib.crc32(data[: head - 4]))
    file.write_bytes(data)
    result = edge_sr("info", file)
    assert result.code == 0
    assert "image:     60000x60000, rgb" in result.out
    assert "0 of 8 planes can be decoded" in result.out


def test_info_of_other_files(edge_sr: EdgeSr, image_file: Path, tmp_path: Path) -> None:
    result = edge_sr("info", CODEC / "encoder-int8.tflite")
    assert result.out.startswith("encoder-int8.tflite: int8 1x64x64x3 to int8 1x16x16x3, ")
    shipped = Path(catalog.__file__).parent / "tinypssr-x2" / "int8.safetensors"
    result = edge_sr("info", shipped)
    assert result.out.startswith("int8.safetensors: tinypssr (scale 2, ")
    assert "int8 by quantization-aware training" in result.out
    for name in (tmp_path, "tinypssr-x2"):
        assert "is not a file that info reads" in edge_sr.refuses("info", name)
    assert "unknown suffix; info reads .onnx, .safetensors, .tcz, .tflite" in edge_sr.refuses(
        "info", image_file
    )
    assert "cannot read" in edge_sr.refuses("info", tmp_path / "none.tcz")
    (tmp_path / "folder.tcz").mkdir()
    assert "is a folder" in edge_sr.refuses("info", tmp_path / "folder.tcz")


@pytest.mark.parametrize("command", ["compress", "decompress", "info"])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys\nfrom edge_sr.cli.main import app\nimport typer.testing\n"
        f"assert typer.testing.CliRunner().invoke(app, [{command!r}, '--help']).exit_code == 0\n"
        "print([name for name in ('numpy', 'PIL', 'ai_edge_litert') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_codec_runs_without_the_training_packages(image_file: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf_keras', 'skimage', 'scipy', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "from edge_sr.cli.main import run\n"
        f"model = ['--model', {str(CODEC)!r}]\n"
        "assert run(['compress', 'in.png', 'a.tcz', *model]) == 0\n"
        "assert run(['compress', 'in.png', 'b.tcz', '--float32', *model]) == 0\n"
        "assert run(['decompress', 'a.tcz', 'a.png', *model]) == 0\n"
        "assert run(['decompress', 'b.tcz', 'b.png', *model]) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
