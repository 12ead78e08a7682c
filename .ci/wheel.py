"""Build the source distribution and, from it, the wheel; check that they hold what they should.

The wheel: every file of `mockforge/` that git knows, but for `bundle/`, whose scripts make the bundled data,
and the recipes. The source distribution: every file that git knows, but for what serves only the repository.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def compare(what: str, found: set[str], wanted: set[str]) -> bool:
    """Print what is missing and what is too much; return whether there is neither."""
    for name in sorted(wanted - found):
        print(f"{what}: {name} is missing")
    for name in sorted(found - wanted):
        print(f"{what}: {name} should not be in it")
    return found == wanted


def main() -> int:
    """Return the exit code."""
    tracked = set(
        subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    )
    with tempfile.TemporaryDirectory() as room:
        subprocess.run(
            [sys.executable, "-m", "build", "--outdir", room, "."], check=True, stdout=subprocess.DEVNULL
        )
        (wheel,), (source,) = Path(room).glob("*.whl"), Path(room).glob("*.tar.gz")
        with zipfile.ZipFile(wheel) as packed:
            in_wheel = {n for n in packed.namelist() if ".dist-info/" not in n}
        with tarfile.open(source) as packed:
            in_source = {name.partition("/")[2] for name in packed.getnames()} - {"PKG-INFO"}
        print(f"{wheel.name}: {len(in_wheel)} files, {wheel.stat().st_size / 1e6:.1f} MB")
        print(f"{source.name}: {len(in_source)} files, {source.stat().st_size / 1e6:.1f} MB")
    package = {name for name in tracked if name.startswith("mockforge/") and "/bundle/" not in name}
    recipes = {f"mockforge/{name}" for name in tracked if name.startswith("recipes/")}
    whole = {name for name in tracked if not name.startswith((".ci/", ".pre-commit"))}
    good = [compare("wheel", in_wheel, package | recipes), compare("sdist", in_source, whole)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
