"""`python -m tests.benchmarks`: one page of figures, every row beside its peers where they are installed.

    python -m tests.benchmarks                        all rows, as a table
    python -m tests.benchmarks scene label            some rows
    python -m tests.benchmarks --out docs/figures.md  written as Markdown
    python -m tests.benchmarks --before CHECKOUT      another version of mockforge beside this one
    python -m tests.benchmarks --growth               how times grow with size, density, bands, workers

Every case runs in a process of its own with one thread; those of a row alternate, `--rounds` times, and the
one that took the least processor time counts. Peers: galsim, sep (installed with mockforge), h5py,
source-extractor, and `pip install blending-toolkit ufig`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.growth import SERIES, grown
from tests.benchmarks.measure import ONE_THREAD, Measured
from tests.benchmarks.table import ROWS, Case, markdown

HERE = Path(__file__).parents[2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Figures of speed.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--before", type=Path, help="a checkout of an older version, measured beside")
    parser.add_argument("--rounds", type=int, default=2, help="times that each case is measured")
    parser.add_argument("--out", type=Path, help="write the table as Markdown")
    parser.add_argument("--growth", action="store_true", help="measure growth instead")
    asked = parser.parse_args()
    known = SERIES if asked.growth else ROWS
    wrong = sorted(set(asked.rows) - set(known))
    if wrong:
        parser.error(f"no row {', '.join(wrong)}; there are {', '.join(known)}")
    if asked.before is not None and not (asked.before / "mockforge").is_dir():
        parser.error(f"{asked.before} is not a checkout of mockforge: it has no folder mockforge")
    names = asked.rows or list(known)
    text = grown(names, measured) if asked.growth else table(names, asked.before, asked.rounds)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


def table(names: list[str], before: Path | None, rounds: int) -> str:
    """Measure rows."""
    found: dict[str, dict[str, Measured]] = {}
    for name in names:
        row = ROWS[name]
        cases = {"now": (row.ours, HERE)}
        if before is not None:
            cases["before"] = (row.ours, before.resolve())
        cases |= {peer: (case, HERE) for peer, case in row.peers.items()}
        found[name] = {}
        for _ in range(rounds):
            for who, (case, tree) in cases.items():
                new = measured(case, tree)
                old = found[name].get(who)
                if new is not None and (old is None or new.cpu_s < old.cpu_s):
                    found[name][who] = new
        print(f"{row.work}: {found[name]}", file=sys.stderr, flush=True)
    return markdown(found, about())


def measured(case: Case, tree: Path = HERE) -> Measured | None:
    """Measure a case in a process of its own, with mockforge of some tree; None where it cannot run."""
    path = os.pathsep.join(filter(None, (str(tree), str(HERE), os.environ.get("PYTHONPATH", ""))))
    module, name = case
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.benchmarks.rows.{module}", name],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": path}, cwd=tree, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("MEASURED "):
            return Measured(**json.loads(line.removeprefix("MEASURED ")))
    why = done.stdout.strip() or (done.stderr.strip().splitlines() or ["no answer"])[-1]
    print(f"{module}, {name}, of {tree.name}: {why}", file=sys.stderr, flush=True)
    return None


def about() -> str:
    """The machine, the versions and the day."""
    import torch

    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {version(name)}" for name in ("mockforge", "torch", "galsim", "numpy"))
    return (
        f"{date.today().isoformat()}, {cpu}, one thread, processor seconds, {gpu}; "
        f"Python {platform.python_version()}, {versions}."
    )


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


if __name__ == "__main__":
    main()
