"""Write random networks of all operators as seeds for `fuzz_reader.py`.

python tests/fuzz/seed_models.py FOLDER
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "engine"), str(TESTS.parent)]

from random_frames import RandomFrame, frames  # noqa: E402
from random_models import RandomNetwork, networks  # noqa: E402

MAX_BYTES = 8000


def main() -> None:
    """Write the seeds."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    models: list[bytes] = []
    examples = settings(
        max_examples=150,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @examples
    @given(network=networks)
    def collect(network: RandomNetwork) -> None:
        models.append(network.write())

    @examples
    @given(network=frames)
    def collect_frames(network: RandomFrame) -> None:
        models.append(network.write())

    collect()
    collect_frames()
    for number, model in enumerate(model for model in models if len(model) <= MAX_BYTES):
        (folder / f"{number:04d}").write_bytes(model)


if __name__ == "__main__":
    main()
