"""Checks edge-sr's wheel for a Raspberry Pi in an emulated Debian for arm64.

`python scripts/aarch64.py FOLDER`, as root, with debootstrap, qemu-user-static and gcc for aarch64.
In the emulator, pip installs the wheel without TensorFlow, `upscale` and `bench` run, and the
engine is bit-identical to this machine's engine and to TensorFlow Lite Micro. FOLDER keeps Debian
and the wheels, which the next run reuses. Times are emulated and do not apply to a board.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import numpy as np
import typer
from PIL import Image

from benchmarks.remote import wheel
from edge_sr import records
from edge_sr.errors import UserError
from edge_sr.runtime.opening import open_session
from edge_sr.zoo import catalog

REPOSITORY = Path(__file__).parent.parent
MODEL = "tinypssr-x2"
_TOOLS = {
    "debootstrap": "debootstrap",
    "qemu-aarch64-static": "qemu-user-static",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "unshare": "util-linux",
}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_RULE = (
    rb":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
    rb"\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
)
"""The binfmt rule of QEMU for ELF files for aarch64."""

_BITS = """
import hashlib, sys
import numpy as np
from edge_sr.zoo import catalog
from edge_sr.runtime.opening import open_session
image = np.load(sys.argv[1])
for runtime in ("engine", "litert"):
    session = open_session(catalog.find("tinypssr-x2").file("int8", ".tflite"), runtime)
    print(runtime, hashlib.sha256(session.run(image).tobytes()).hexdigest())
"""
_NO_TENSORFLOW = """
import importlib.util, platform
assert platform.machine() == "aarch64"
assert importlib.util.find_spec("tensorflow") is None
"""


class Steps:
    """Prints each finished step and its duration."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def done(self, what: str) -> None:
        """Print a step with the seconds since the previous one."""
        now = time.monotonic()
        print(f"{now - self._since:6.0f} s  {what}", flush=True)
        self._since = now


def main(folder: Path, mirror: str = "") -> None:
    """Create what is missing in FOLDER, and run all checks."""
    check_tools()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps()
    root = make_root(folder, mirror)
    steps.done("Debian bookworm for arm64 is unpacked")
    fetch_wheels(folder / "wheels")
    with tempfile.TemporaryDirectory(dir=root / "tmp") as name:
        shared = Path(name)
        built = wheel.build(shared, "aarch64")
        steps.done(f"{built.name} is built, its engine with aarch64-linux-gnu-gcc")
        install(root, folder / "wheels", built)
        steps.done("emulated: pip installed the wheel without TensorFlow")
        check_bits(root, shared)
        steps.done(
            "emulated: the engine equals TFLM and the engine here, LiteRT equals LiteRT here"
        )
        check_upscale(root, shared)
        steps.done("emulated: edge-sr upscale gives the pixels of TFLM here")
        check_bench(root, shared)
        steps.done("emulated: edge-sr bench wrote a record that is flagged as emulated")


def check_tools() -> None:
    """Check the tools and privileges that are needed; register QEMU with the kernel.

    Raises:
        UserError: a tool is missing, or the user is not root.
    """
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise UserError(f"this needs `apt install {' '.join(missing)}`")
    if os.getuid() != 0:
        raise UserError("only root can create a Debian root; use sudo")
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], check=True)
    if not (_BINFMT / "qemu-aarch64").exists():
        qemu = os.fsencode(str(shutil.which("qemu-aarch64-static")))
        # F: the file is opened now and works in every root.
        (_BINFMT / "register").write_bytes(_RULE + qemu + b":F")


def make_root(folder: Path, mirror: str) -> Path:
    """Return the root of a Debian with Python, unpacked but not configured.

    The packages' configuration scripts would run for minutes in the emulator; Python needs none.
    """
    root, new = folder / "root", folder / "root.part"
    if root.exists():
        return root
    shutil.rmtree(new, ignore_errors=True)
    command = ["debootstrap", "--arch=arm64", "--variant=minbase", "--foreign"]
    command += ["--include=python3,python3-venv", "bookworm", str(new), *([mirror] * bool(mirror))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    packages = new / "var" / "cache" / "apt" / "archives"
    for package in sorted(packages.glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as unpack:
            tar = ["tar", "-x", "--keep-directory-symlink", "-C", str(new)]
            subprocess.run(tar, stdin=unpack.stdout, check=True)
        package.unlink()
    for name in ("proc", "dev"):
        if (new / name).is_symlink():  # in a container, debootstrap links to the container's
            (new / name).unlink()
            (new / name).mkdir()
    for name in ("passwd", "group"):
        shutil.copy(new / f"usr/share/base-passwd/{name}.master", new / "etc" / name)
    new.rename(root)
    return root


def fetch_wheels(folder: Path) -> None:
    """Download the dependencies of edge-sr for Python 3.11 on aarch64."""
    needs = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    stamp = folder / "complete"
    if stamp.exists() and stamp.read_text() == "\n".join(needs):
        return
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", "3.11", "--dest", str(folder)]
    for glibc in (17, 27, 28, 31, 34, 35):
        command += ["--platform", f"manylinux_2_{glibc}_aarch64"]
    command += ["--platform", "manylinux2014_aarch64"]
    command += ["--constraint", str(REPOSITORY / "constraints.txt"), *needs]
    subprocess.run(command, check=True)
    stamp.write_text("\n".join(needs))


def run_emulated(root: Path, command: str) -> str:
    """Run a shell command in the root, and return its output.

    Its mounts are private and end with it.

    Raises:
        UserError: the command fails.
    """
    inside = (
        f"mount --rbind /proc {shlex.quote(f'{root}/proc')} && "
        f"mount --rbind /dev {shlex.quote(f'{root}/dev')} && "
        f"exec chroot {shlex.quote(str(root))} /bin/sh -euc {shlex.quote(command)}"
    )
    environment = {"PATH": "/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    done = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-euc", inside],
        env=environment | {"LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UserError(f"`{command}` failed in the emulator with exit code {done.returncode}")
    return done.stdout


def inside(root: Path, path: Path) -> str:
    """Return a path inside the root, quoted for the shell."""
    return shlex.quote(f"/{path.relative_to(root)}")


def install(root: Path, wheels: Path, built: Path) -> None:
    """Install the wheel, and once its dependencies; without bytecode, as the emulator is slow."""
    kept = root / "wheels"
    if not (root / "venv" / "complete").exists() or listed(kept) != listed(wheels):
        shutil.rmtree(root / "venv", ignore_errors=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(wheels, kept)
        run_emulated(root, "python3 -m venv /venv")
    pip = "/venv/bin/pip --disable-pip-version-check -q install --no-compile --no-index"
    run_emulated(root, f"{pip} --find-links /wheels {inside(root, built)}")
    run_emulated(
        root, f"{pip} --no-deps --force-reinstall {inside(root, built)}; touch /venv/complete"
    )
    run_emulated(root, f"/venv/bin/python -c {shlex.quote(_NO_TENSORFLOW)}")


def listed(folder: Path) -> list[str]:
    """Return the names of the wheels in a folder; empty if it is missing."""
    return sorted(path.name for path in folder.glob("*.whl"))


def check_bits(root: Path, shared: Path) -> None:
    """Run a random int8 image on both machines, and compare the bits."""
    image = np.random.default_rng(0).integers(-128, 128, (1, 24, 33, 1), np.int8)
    np.save(shared / "image.npy", image)
    said = run_emulated(
        root, f"/venv/bin/python -c {shlex.quote(_BITS)} {inside(root, shared / 'image.npy')}"
    )
    digests = dict(line.split() for line in said.splitlines())
    model = catalog.find(MODEL).file("int8")
    for name, here in (("engine", "tflm"), ("engine", "engine"), ("litert", "litert")):
        bits = hashlib.sha256(open_session(model, here).run(image).tobytes()).hexdigest()
        require(digests[name] == bits, f"{name} on aarch64 differs from {here} here")


def check_upscale(root: Path, shared: Path) -> None:
    """Upscale an image on both machines, and compare the pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (20, 27, 3), np.uint8)
    Image.fromarray(pixels).save(shared / "in.png")
    where = inside(root, shared)
    run_emulated(
        root,
        "/venv/bin/edge-sr upscale --model tinypssr --runtime engine "
        f"{where}/in.png {where}/out.png",
    )
    code = "from edge_sr.cli.main import main; main()"
    command = [sys.executable, "-c", code, "upscale", "--model", "tinypssr", "--runtime", "tflm"]
    subprocess.run([*command, shared / "in.png", shared / "here.png"], check=True)
    emulated, expected = (np.asarray(Image.open(shared / name)) for name in ("out.png", "here.png"))
    require(np.array_equal(emulated, expected), "the upscaled image differs from that of TFLM here")


def check_bench(root: Path, shared: Path) -> None:
    """Measure in the emulator, and read the record here."""
    run_emulated(
        root,
        "/venv/bin/edge-sr bench --model tinypssr --runtime engine --runtime litert --size 32x24 "
        f"--samples 3 --seconds 0.01 --out {inside(root, shared / 'record.json')} >&2",
    )
    record = records.read(shared / "record.json")
    require(
        record.complete and record.device.architecture == "aarch64", "the record is not complete"
    )
    require(record.device.emulated is not None, "the record is not flagged as emulated")
    for result in record.results:
        require(result.status == "measured", f"{result.case.key}: {result.reason}")
        require("emulated" in result.marks, f"{result.case.key} is not flagged as emulated")
        require("wrong" not in result.marks, f"{result.case.key} gave a wrong output")


def require(condition: bool, problem: str) -> None:
    """Check a condition.

    Raises:
        UserError: the condition is false.
    """
    if not condition:
        raise UserError(problem)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        sys.exit(f"aarch64: {error}")
