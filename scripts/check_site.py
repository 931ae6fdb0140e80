"""Refuse a documentation site whose pages load scripts, styles or images from another host.

python scripts/check_site.py site     (MkDocs also loads this file as a hook: `make docs`)
"""

import re
import sys
from pathlib import Path
from typing import Any

_LOADS = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"' >]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*"
    r"\bhref=[\"']?((?:https?:)?//[^\"' >]+)"
    r"|(?:url\(|@import )[\"']?((?:https?:)?//[^\"') ]+)"
)


def loaded_from_elsewhere(text: str) -> list[str]:
    """The addresses on other hosts that a page or a style sheet loads from."""
    return ["".join(groups) for groups in _LOADS.findall(text)]


def on_post_build(config: Any, **_: Any) -> None:
    """MkDocs: check the site that was built.

    Raises:
        SystemExit: a page loads from another host.
    """
    check(Path(config["site_dir"]))


def check(site: Path) -> None:
    """Check every page and style sheet of a site.

    Raises:
        SystemExit: one of them loads from another host.
    """
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        if found := loaded_from_elsewhere(path.read_text(encoding="utf-8")):
            sys.exit(f"{path} loads {found[0]}; the site must not need other hosts")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
