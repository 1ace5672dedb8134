"""Write a built program's manifest beside it: manifest.py NAME.elf NAME.bin NAME.d, the last from the compiler's -MMD.

Runs in a build, where tinymux is not installed and nothing but Python's own library may be there.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tinymux.images.files import Image  # noqa: E402
from tinymux.images.manifest import Manifest  # noqa: E402


def main(elf: str, binary: str, dependencies: str) -> None:
    """Describe it by its flash's bytes; what it was built from is named from the project's folder."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rule = Path(dependencies).read_text(encoding="utf-8").partition(": ")[2]
    sources = sorted(Path(name).resolve() for name in re.split(r"[\s\\]+", rule) if name)
    image = Image(elf, Path(binary).read_bytes())
    Manifest.of(image, project["version"], sources, ROOT).write(Path(elf))


if __name__ == "__main__":
    main(*sys.argv[1:])
