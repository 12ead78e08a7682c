"""Sources separated on noiseless images: against what was painted, and what it costs.

Run: python tests/benchmarks/truth.py [--side 640 --samples 2 --tiles 16 --model kids-viking]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mockforge.batch import Batch
from mockforge.label.completeness import Completeness, completeness
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.match import Match
from mockforge.stages.separate import Separate
from tests.builders.batches import samples


def scene(side: int, samples: int) -> Batch:
    """Tiles of the source of `recipes/scene_xdf_like.yaml`, with the eight brightest objects of a pixel."""
    from mockforge.recipe import load

    recipe = load("scene_xdf_like", [f"stages.scene.tile={side}", "stages.scene.overlap=8"])
    return recipe.stages[0].stage(samples(samples), Stream(20190424))


def against_painted(batch: Batch, rule: Separate | None = None, step: float = 1.0) -> Completeness:
    """What is separated on `truth`, against the exact objects of the source, by true magnitude.

    The match is that of detections, with the sources of the noiseless image in their stead: what was
    painted is `objects`, what was separated are the detections, and the flux error is that of the
    separated sources' true flux.
    """
    rule = rule or Separate()
    found = rule(batch, Stream(0))
    bands, separated = batch.attributes["bands"], dict(found.tables["separated"])
    for band in bands:
        separated[f"flux_{band}"] = separated[f"true_flux_{band}"]
    noiseless = found.with_arrays(instances=found.arrays["instances_truth"], image=batch.arrays["truth"])
    done = Match(radius_arcsec=0.3)(noiseless.with_table("catalogue", separated), Stream(0))
    edges = np.arange(20.0, 32.0 + step / 2, step)
    return completeness(done.tables["objects"], done.tables["catalogue"], bands, edges=edges)


def generated(model: str, tiles: int) -> Batch:
    """Tiles of a generated sky."""
    from mockforge.stages.sgan import Sgan

    return Sgan(model=model, tile=256)(samples(tiles), Stream(20190424))


def _timed(stage: Separate | Detect | Match, batch: Batch) -> Batch:
    wall, processor = time.perf_counter(), time.process_time()
    out = stage(batch, Stream(1))
    n = len(batch)
    print(
        f"{type(stage).__name__}: {1e3 * (time.process_time() - processor) / n:.1f} ms of processor and"
        f" {1e3 * (time.perf_counter() - wall) / n:.1f} ms a tile"
    )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--model", default="kids-viking")
    args = parser.parse_args()
    batch = scene(args.side, args.samples)
    for sigma in (0.25, 0.5, 1.0):
        rule = Separate(isophote_sigma=sigma)
        limit = rule(batch.keep(batch.sample == 0), Stream(0)).tables["separated"]["isophote_mag_arcsec2"][0]
        print(
            f"\nscene_xdf_like, isophote {sigma:g} sigma ({limit:.2f} mag/arcsec2), against what was painted"
        )
        print(against_painted(batch, rule).markdown())
    sky = generated(args.model, args.tiles)
    Separate()(sky.keep(sky.sample == 0), Stream(0))  # what is imported at the first call
    print(f"\n{args.model}, windows of {sky.arrays['image'].shape[-1]} pixels")
    matched = _timed(Match(radius_arcsec=0.8), _timed(Separate(), _timed(Detect(), sky)))
    print(len(matched.tables["objects"]["label"]) / len(sky), "sources a tile")
    tables = matched.tables
    print(completeness(tables["objects"], tables["catalogue"], sky.attributes["bands"]).markdown())


if __name__ == "__main__":
    main()
