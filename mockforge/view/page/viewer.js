// The viewer: OpenSeadragon shows tiles of the sky; this adds places, scale, layers, objects and links.
"use strict";

(function () {
  const config = window.MOCKFORGE_VIEW;
  const $ = (id) => document.getElementById(id);
  if (!config) {
    document.body.innerHTML = "<p id=broken>config.js is missing: write the viewer again.</p>";
    return;
  }
  const state = { layer: config.layers[0].name, stretch: config.stretches.default, sexagesimal: false };
  let selected = null, asked = null, pointer = null, settled = false, dirty = true;

  const viewer = OpenSeadragon({
    element: $("sky"), drawer: "canvas", showNavigationControl: false, prefixUrl: "",
    animationTime: 0.5, springStiffness: 9, blendTime: 0.12, minZoomImageRatio: 0.6,
    maxZoomPixelRatio: 32, visibilityRatio: config.endless ? 1 : 0.3, constrainDuringPan: false,
    zoomPerScroll: 1.35, imageLoaderLimit: config.mode === "live" ? 4 : 12, timeout: 120000,
    maxImageCacheCount: 800, gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    placeholderFillStyle: "#0b0d12", tabIndex: 0,
  });
  const layers = [
    ...config.outlines.map((layer) => new RowTiles(config, layer, "outlines", arrived)),
    ...config.objects.map((layer) => new RowTiles(config, layer, "objects", arrived)),
  ];
  window.mockforgeObjects = (key, rows) => {
    const layer = layers.find((one) => key.startsWith(one.prefix) && /^\d+\/\d+_\d+$/.test(key.slice(one.prefix.length)));
    if (layer) layer.arrive(key.slice(layer.prefix.length), rows);
  };
  window.mockforgeView = { viewer, layers, config, view, go }; // for tests, and for the curious

  // ---- places -------------------------------------------------------------------------------------
  function zoomNow() { return viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(true)); }

  // Centre in pixels of the sky, and screen pixels per pixel of the sky; where it is going, or is.
  function view(current) {
    const centre = viewer.viewport.getCenter(current);
    const image = viewer.viewport.viewportToImageCoordinates(centre);
    const zoom = viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(current));
    return { ...places.skyOfPicture(config, image.x, image.y), zoom };
  }

  function go(place, immediately) {
    const image = places.pictureOfSky(config, place.x, place.y);
    const point = viewer.viewport.imageToViewportCoordinates(image.u, image.v);
    if (place.zoom > 0) viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(place.zoom), null, immediately);
    viewer.viewport.panTo(point, immediately);
    viewer.viewport.applyConstraints(immediately);
  }

  function screenOf() {
    const bounds = viewer.viewport.getBounds(true), size = viewer.viewport.getContainerSize();
    const corner = viewer.viewport.viewportToImageCoordinates(bounds.getTopLeft());
    const zoom = zoomNow();
    const top = places.skyOfPicture(config, corner.x, corner.y);
    return {
      zoom, size, x0: top.x, y1: top.y, x1: top.x + size.x / zoom, y0: top.y - size.y / zoom,
      to: (x, y) => ({ x: (x - top.x) * zoom, y: (top.y - y) * zoom }),
      from: (x, y) => ({ x: top.x + x / zoom, y: top.y - y / zoom }),
    };
  }

  function coordinates(place) {
    const digits = Math.max(0, Math.min(2, Math.ceil(Math.log10(zoomNow() * 2))));
    const pixel = `x ${place.x.toFixed(digits)}  y ${place.y.toFixed(digits)}`;
    if (!config.wcs) return pixel;
    const { ra, dec } = places.radec(config.wcs, place.x, place.y);
    const sky = state.sexagesimal
      ? places.sexagesimal(ra, dec)
      : `${ra.toFixed(6)}°  ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(6)}°`;
    return `RA, Dec  ${sky}    ${pixel}`;
  }

  // ---- pictures -----------------------------------------------------------------------------------
  function tileSource() {
    const layer = config.layers.find((one) => one.name === state.layer) || config.layers[0];
    const choices = layer.stretches || config.stretches.choices;
    const stretch = choices.includes(state.stretch) ? state.stretch : choices[0];
    const mark = config.mode === "live" && !layer.url.includes("{stretch}");
    const tail = mark ? `${layer.url.includes("?") ? "&" : "?"}stretch=${stretch}` : "";
    return new OpenSeadragon.TileSource({
      width: config.width, height: config.height, tileSize: config.tile, tileOverlap: 0,
      minLevel: config.min_level, maxLevel: config.max_level,
      getTileUrl: (level, col, row) => tail
        ? layer.url.replace("{level}", level).replace("{col}", col).replace("{row}", row) + tail
        : layer.url.replace("{level}", level).replace("{col}", col).replace("{row}", row).replace("{stretch}", stretch),
    });
  }

  function show(first) {
    viewer.addTiledImage({
      tileSource: tileSource(), index: 0, replace: !first,
      success: () => { if (first) begin(); },
    });
    press("layers", state.layer);
    press("stretches", state.stretch);
    const layer = config.layers.find((one) => one.name === state.layer);
    for (const button of $("stretches").children) {
      button.disabled = Boolean(layer && layer.stretches && !layer.stretches.includes(button.value));
    }
  }

  function limits() {
    if (!config.endless && config.min_level === 0) return;
    const least = 2 ** (config.min_level - config.max_level); // coarser than that nothing is painted
    viewer.viewport.minZoomLevel = viewer.viewport.imageToViewportZoom(least);
  }

  function begin() {
    limits();
    const start = config.start ? { x: config.start[0], y: config.start[1], zoom: config.start[2] } : null;
    if (start) go(start, true);
    else if (config.endless) go({ x: 0, y: 0, zoom: 1 }, true);
    viewer.preserveViewport = true; // another layer or stretch is shown at the same place
    follow(true);
    settled = true;
    remember();
    redraw();
  }

  // ---- links --------------------------------------------------------------------------------------
  function follow(immediately) {
    const wanted = places.unhash(location.hash);
    const before = state.layer + state.stretch;
    if (config.layers.some((one) => one.name === wanted.layer)) state.layer = wanted.layer;
    if (config.stretches.choices.includes(wanted.stretch)) state.stretch = wanted.stretch;
    if (wanted.show !== undefined) {
      const names = wanted.show.split(",");
      for (const layer of layers) layer.shown = names.includes(nameOf(layer));
      pressShows();
    }
    if (viewer.world.getItemCount() && before !== state.layer + state.stretch) show(false);
    if (!viewer.world.getItemCount()) return;
    const { zoom } = wanted;
    let place = wanted.x !== undefined && wanted.y !== undefined ? { x: wanted.x, y: wanted.y } : null;
    if (!place && config.wcs && wanted.ra !== undefined && wanted.dec !== undefined) {
      place = places.pixelOf(config.wcs, wanted.ra, wanted.dec);
    }
    if (place) go({ ...place, zoom }, immediately);
    else if (zoom > 0) go({ ...view(false), zoom }, immediately);
  }

  function remember() {
    if (!settled) return;
    const now = view(false);
    const digits = Math.max(1, Math.min(3, Math.ceil(Math.log10(now.zoom * 10))));
    const shown = layers.filter((layer) => layer.shown).map(nameOf).join(",");
    const hash = places.hash({
      x: now.x.toFixed(digits), y: now.y.toFixed(digits), zoom: Number(now.zoom.toPrecision(5)),
      layer: state.layer, stretch: state.stretch, show: shown,
    });
    if (hash === location.hash) return;
    try { history.replaceState(null, "", hash); } catch (error) { location.replace(hash); }
  }

  // ---- marks --------------------------------------------------------------------------------------
  function redraw() { dirty = true; }

  function arrived() {
    redraw();
    if (asked && !selected) answer();
  }

  function visible(screen) {
    const pad = 40 / screen.zoom;
    return layers.filter((layer) => layer.shown).map((layer) => ({
      layer, rows: layer.rows(screen.zoom, [screen.x0 - pad, screen.y0 - pad, screen.x1 + pad, screen.y1 + pad], false),
    }));
  }

  function draw() {
    requestAnimationFrame(draw);
    if (!dirty || !viewer.world.getItemCount()) return;
    dirty = false;
    const canvas = $("marks"), screen = screenOf(), density = window.devicePixelRatio || 1;
    const width = Math.round(screen.size.x * density), height = Math.round(screen.size.y * density);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.style.width = `${screen.size.x}px`;
    canvas.style.height = `${screen.size.y}px`;
    const context = canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, screen.size.x, screen.size.y);
    for (const { layer, rows } of visible(screen)) {
      if (layer.kind === "outlines") marks.drawOutlines(context, layer, rows, screen.to, screen.zoom);
      else marks.drawObjects(context, layer, rows, screen.to, screen.zoom, selected);
    }
    if (selected && !selected.layer.shown) {
      marks.drawObjects(context, selected.layer, [selected.row], screen.to, screen.zoom, selected);
    }
    if (config.grid) marks.drawNumbers(context, config, screen);
    const bar = places.scaleBar(config.pixel_scale_arcsec, screen.zoom, 150);
    if (bar) { $("ruler").style.width = `${bar.px}px`; $("length").textContent = bar.label; }
    const place = pointer ? screen.from(pointer.x, pointer.y) : view(true);
    $("place").textContent = (pointer ? "" : "centre  ") + coordinates(place);
    const hidden = layers.some((layer) => layer.shown && layer.level(screen.zoom) === null);
    const waiting = viewer.imageLoader.jobsInProgress;
    $("busy").textContent = waiting
      ? `${config.mode === "live" ? "painting" : "loading"} ${waiting} tile${waiting > 1 ? "s" : ""}`
      : hidden ? "zoom in to see objects"
      : layers.some((layer) => layer.shown && layer.thinned) ? `the brightest objects are shown · ${zoomText(screen.zoom)}`
      : zoomText(screen.zoom);
    if (waiting) dirty = true;
    viewer.drawer.setImageSmoothingEnabled(screen.zoom < 2.5); // pixels are pixels where they are large
  }

  // The object at the place that was clicked, of layers that are hidden too: their rows may still come.
  function answer() {
    if (!asked) return;
    const screen = screenOf(), pad = 40 / screen.zoom, at = screen.to(asked.x, asked.y);
    const objects = layers.filter((layer) => layer.kind === "objects").map((layer) => ({
      layer, rows: layer.rows(screen.zoom, [asked.x - pad, asked.y - pad, asked.x + pad, asked.y + pad], !layer.shown),
    }));
    const on = objects.filter(({ layer }) => layer.shown);
    const hit = (some) => marks.hit(some, screen.to, screen.zoom, at.x, at.y);
    const found = hit(on) || hit(objects);
    select(found);
    if (found || Date.now() > asked.until) asked = null;
  }

  function zoomText(zoom) { return zoom >= 1 ? `${Number(zoom.toPrecision(3))}×` : `1 : ${Number((1 / zoom).toPrecision(3))}`; }

  function select(found) {
    selected = found;
    $("object").hidden = !found;
    redraw();
    if (!found) return;
    const { row, layer } = found, body = $("row");
    $("object-name").textContent = layer.layer.box ? `sample ${row.id}` : `${layer.layer.name} object ${row.id}`;
    body.textContent = "";
    const cells = [["x", row.x], ["y", row.y]];
    if (config.wcs) {
      const { ra, dec } = places.radec(config.wcs, row.x, row.y);
      cells.push(["ra", ra.toFixed(6)], ["dec", dec.toFixed(6)]);
    }
    const known = config.wcs ? ["id", "x", "y", "ra", "dec"] : ["id", "x", "y"]; // those are said above
    const own = layer.layer.columns.length ? layer.layer.columns : Object.keys(row);
    for (const name of own) if (!known.includes(name) && name in row) cells.push([name, row[name]]);
    for (const [name, value] of cells) {
      const line = body.insertRow(), head = document.createElement("th");
      head.textContent = name;
      line.append(head);
      line.insertCell().textContent = text(value);
    }
  }

  function text(value) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number" || Number.isInteger(value)) return String(value);
    return String(Number(value.toPrecision(6)));
  }

  // ---- controls -----------------------------------------------------------------------------------
  function nameOf(layer) { return (layer.kind === "outlines" ? "outlines-" : "") + layer.layer.name; }

  function press(group, value) {
    for (const button of $(group).children) button.setAttribute("aria-pressed", String(button.value === value));
  }

  function pressShows() {
    for (const button of $("shows").children) {
      button.setAttribute("aria-pressed", String(layers.some((layer) => layer.shown && nameOf(layer) === button.value)));
    }
  }

  function button(parent, value, label, act, colour) {
    const made = document.createElement("button");
    made.value = value;
    made.type = "button";
    if (colour) {
      const dot = document.createElement("span");
      dot.className = "dot";
      dot.style.borderColor = colour;
      made.append(dot);
    }
    made.append(label);
    made.addEventListener("click", act);
    $(parent).append(made);
  }

  function build() {
    document.title = `${config.title} – mockforge`;
    $("title").textContent = config.title;
    for (const [label, value] of config.panel) {
      const term = document.createElement("dt"), fact = document.createElement("dd");
      term.textContent = label;
      fact.textContent = value.replace(/(^|, )(\S+) (?=[\d.]+″?(,|$))/g, "$1$2\u00a0"); // a band stays with its number
      $("facts").append(term, fact);
    }
    for (const { name } of config.layers) button("layers", name, name, () => { state.layer = name; show(false); remember(); });
    for (const name of config.stretches.choices) {
      button("stretches", name, name, () => { state.stretch = name; show(false); remember(); });
    }
    $("stretch-row").hidden = config.stretches.choices.length < 2;
    for (const layer of layers) {
      const several = config.outlines.length > 1 ? `outlines: ${layer.layer.name}` : "outlines";
      const label = layer.kind === "outlines" ? several : layer.layer.name;
      button("shows", nameOf(layer), label, () => {
        layer.shown = !layer.shown;
        pressShows();
        remember();
        redraw();
      }, layer.colour);
    }
    pressShows();
    $("marks-row").hidden = !layers.length;
    $("units").hidden = !config.wcs;
    $("units").textContent = "deg";
    $("where").placeholder = config.wcs ? "RA Dec, or x=100 y=200" : "x y in pixels";
  }

  $("units").addEventListener("click", () => {
    state.sexagesimal = !state.sexagesimal;
    $("units").textContent = state.sexagesimal ? "h m s" : "deg";
    redraw();
  });
  $("fold").addEventListener("click", () => {
    const hide = !$("more").hidden;
    $("more").hidden = hide;
    $("fold").textContent = hide ? "+" : "–";
    $("fold").setAttribute("aria-expanded", String(!hide));
  });
  $("goto").addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = places.parse($("where").value, Boolean(config.wcs));
    const place = typed && typed.ra !== undefined ? config.wcs && places.pixelOf(config.wcs, typed.ra, typed.dec) : typed;
    $("where").classList.toggle("wrong", !place);
    if (place) go({ ...place, zoom: Math.max(view(false).zoom, config.endless ? 1 : 0) }, false);
  });
  $("where").addEventListener("input", () => $("where").classList.remove("wrong"));
  $("close").addEventListener("click", () => select(null));
  $("in").addEventListener("click", () => viewer.viewport.zoomBy(2));
  $("out").addEventListener("click", () => { viewer.viewport.zoomBy(0.5); viewer.viewport.applyConstraints(); });
  $("home").addEventListener("click", () => {
    if (config.start) go({ x: config.start[0], y: config.start[1], zoom: config.start[2] }, false);
    else if (config.endless) go({ x: 0, y: 0, zoom: 1 }, false);
    else viewer.viewport.goHome();
  });

  viewer.addHandler("canvas-click", (event) => {
    if (!event.quick) return;
    const screen = screenOf();
    asked = { ...screen.from(event.position.x, event.position.y), until: Date.now() + 3000 };
    answer();
  });
  $("sky").addEventListener("pointermove", (event) => {
    const box = $("sky").getBoundingClientRect();
    pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
    redraw();
  });
  $("sky").addEventListener("pointerleave", () => { pointer = null; redraw(); });
  for (const name of ["animation", "resize", "tile-loaded", "open", "viewport-change"]) viewer.addHandler(name, redraw);
  viewer.addHandler("resize", limits);
  viewer.addHandler("animation-finish", () => { remember(); redraw(); });
  window.addEventListener("hashchange", () => follow(false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") select(null);
  });

  build();
  follow(true); // which layer is asked for, before the first tile
  show(true);
  draw();
})();
