"""A live sky: what a browser is answered, and what is refused."""

from __future__ import annotations

import http.client
import json
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mockforge.commands.view import Looked, view_thing
from mockforge.errors import InputError
from mockforge.sgan.paint.sky import Sky
from mockforge.view.config import ENDLESS_LEVEL, PAGE_FILES
from mockforge.view.live import HALF, LiveSky, TileAt
from mockforge.view.server import SkyServer

MIDDLE = HALF // 256
"""Column of the tile whose first pixel is x = 0, and row of the one whose top row is y = -1."""


@pytest.fixture(scope="module")
def live():
    return LiveSky(Sky("kids-viking", seed=7), "kids-viking")


@pytest.fixture(scope="module")
def server(live):
    with SkyServer(live, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.getheader("Content-Type"), content


def test_the_page_and_what_it_is_told(server):
    for name in ("", *PAGE_FILES):
        assert get(server, f"/{name}")[0] == 200
    script = get(server, "/config.js")[2].decode()
    config = json.loads(script.removeprefix("window.MOCKFORGE_VIEW = ").removesuffix(";\n"))
    assert config["mode"] == "live" and config["endless"] and config["origin"] == [-HALF, -HALF]
    assert config["min_level"] == ENDLESS_LEVEL - 5
    assert ["seed", "7"] in config["panel"] and [o["name"] for o in config["objects"]] == ["true", "detected"]
    assert get(server, "/favicon.ico")[0] == 204
    assert get(server, "/", "HEAD")[2] == b""


def test_a_tile_is_the_sky_at_its_place(server, live):
    at = TileAt(ENDLESS_LEVEL, MIDDLE, MIDDLE - 1)
    assert at.on_sky() == (0, 256, 0, 256)
    status, kind, content = get(server, f"/tiles/0_files/30/{at.col}_{at.row}.png?stretch=normal")
    assert (status, kind) == (200, "image/png")
    picture = np.asarray(Image.open(BytesIO(content)))
    flux = live.sky.pixels(0, 256, 0, 256)[0]
    assert (picture == live.colours.rgb(flux, "colour", "normal")).all()
    faint = get(server, f"/tiles/0_files/30/{at.col}_{at.row}.png?stretch=faint")[2]
    assert np.asarray(Image.open(BytesIO(faint))).mean() > picture.mean()
    coarse = TileAt(28, MIDDLE // 4, MIDDLE // 4 - 1)
    assert coarse.on_sky() == (0, 1024, 0, 1024)
    assert get(server, f"/tiles/1_files/28/{coarse.col}_{coarse.row}.png")[0] == 200


def test_objects_and_outlines_lie_where_the_sources_are(server, live):
    place = f"30/{MIDDLE}_{MIDDLE - 1}.json"
    true = json.loads(get(server, f"/objects/true/{place}")[2])
    rows = [dict(zip(true["columns"], row, strict=True)) for row in true["rows"]]
    table = live.sky.sources(0, 256, 0, 256)
    own = (table["x"] >= -0.5) & (table["x"] < 255.5) & (table["y"] >= -0.5) & (table["y"] < 255.5)
    assert {row["id"] for row in rows} == set(table["id"][own])
    detected = json.loads(get(server, f"/objects/detected/{place}")[2])
    found = [dict(zip(detected["columns"], row, strict=True)) for row in detected["rows"]]
    assert found and all(-0.5 <= row["x"] < 255.5 and -0.5 <= row["y"] < 255.5 for row in found)
    first = rows[0]
    assert min(np.hypot(row["x"] - first["x"], row["y"] - first["y"]) for row in found) < 2
    segments = json.loads(get(server, f"/outlines/true/{place}")[2])[0]["segments"]
    assert len(segments) % 4 == 0 and min(segments) >= -0.5 and max(segments) <= 256.5


@pytest.mark.parametrize(
    "path",
    [
        "/tiles/0_files/30/99999999_0.png",
        "/tiles/0_files/31/0_0.png",
        "/tiles/0_files/3/0_0.png",
        "/tiles/77_files/30/0_0.png",
        f"/tiles/0_files/30/{MIDDLE}_{MIDDLE}.png?stretch=loud",
        "/tiles/0_files/30/-1_0.png",
        f"/objects/detected/29/{MIDDLE}_{MIDDLE}.json",
        f"/objects/other/30/{MIDDLE}_{MIDDLE}.json",
        "/../server.py",
        "/%2e%2e/server.py",
        "/nothing",
    ],
)
def test_what_is_nowhere_is_not_found(server, path):
    assert get(server, path)[0] == 404


def test_another_host_s_name_is_refused(server):
    assert get(server, "/", Host="evil.example")[0] == 403
    assert get(server, "/", Host=f"localhost:{server.server_address[1]}")[0] == 200


def test_the_far_corners_are_painted(server):
    last = 2**30 // 256 - 1
    assert get(server, f"/tiles/0_files/30/0_{last}.png")[0] == 200
    assert get(server, f"/tiles/0_files/30/{last}_0.png")[0] == 200


def test_an_edited_sky_is_shown_as_it_is_and_told_apart(live):
    table = live.sky.sources(0, 256, 0, 256)
    name = str(table["id"][table["flux_r"].argmax()])
    other = LiveSky(live.sky.without(name), "kids-viking")
    assert other.config().layers[0].url != live.config().layers[0].url
    for k in (0, 2):
        at = TileAt(ENDLESS_LEVEL - k, MIDDLE >> k, (MIDDLE >> k) - 1)
        assert other.tile(0, "normal", at) != live.tile(0, "normal", at)
    at = TileAt(ENDLESS_LEVEL, MIDDLE, MIDDLE - 1)
    assert name in live.objects("true", at) and name not in other.objects("true", at)


def test_a_port_in_use_is_a_sentence(server):
    port = server.server_address[1]
    with pytest.raises(InputError, match=f"--port: {port} on 127.0.0.1 cannot be had .*0 for any free one"):
        list(view_thing("kids-viking", Looked(port=port)))


def test_what_belongs_to_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no --out"):
        list(view_thing("kids-viking", Looked(out=tmp_path)))
    with pytest.raises(InputError, match="--objects are those of a file"):
        list(view_thing("kids-viking", Looked(objects=tmp_path)))
