// Marks on the sky: layers of objects and of outlines, which come in tiles of rows, and what is drawn.
"use strict";

const COLOURS = { true: "#ffc857", detected: "#5ad7ff", samples: "#e8ecf4", outlines: "#7ee0a1", "outlines-detected": "#d7a6ff" };
const MOST_TILES = 600; // kept in memory
const LEAST_CELL = 16; // pixels of the screen that a sample has at least, or else its frame is left out
const ROOM = 45 ** 2; // square pixels of the screen that an object has, or else fainter ones are left out

// One layer of objects, or of outlines: fetches its tiles of rows and keeps those looked at last.
class RowTiles {
  constructor(config, layer, kind, changed) {
    Object.assign(this, { config, layer, kind, changed });
    this.prefix = (kind === "outlines" ? "outlines/" : "") + layer.name + "/";
    this.there = layer.tiles ? new Set(layer.tiles) : null;
    this.tiles = new Map();
    this.shown = this.thinned = false;
    this.colour = kind === "outlines" ? COLOURS[`outlines-${layer.name}`] || COLOURS.outlines : COLOURS[layer.name] || "#d7a6ff";
  }

  // Level of the tiles at this zoom; null where the sky is too small on the screen for any.
  level(zoom) {
    if (this.layer.box && Math.min(...this.config.grid.cell) * zoom < LEAST_CELL) return null;
    const level = Math.min(places.levelOf(this.config, zoom), this.layer.max_level);
    if (level >= this.layer.min_level) return level;
    return this.config.endless || this.layer.min_level > 8 ? null : this.layer.min_level;
  }

  // Rows of the tiles in a part of the sky that have arrived; the others are requested. Of a tile with
  // more objects than can be told apart the brightest, unless `all` are wanted.
  rows(zoom, [x0, y0, x1, y1], all) {
    const level = this.level(zoom);
    this.thinned = false;
    if (level === null) return [];
    const side = this.config.tile * 2 ** (this.config.max_level - level) * zoom;
    const reach = this.layer.reach || 0;
    [x0, y0, x1, y1] = [x0 - reach, y0 - reach, x1 + reach, y1 + reach];
    const most = all || this.layer.box || this.kind === "outlines" ? Infinity : Math.ceil(side ** 2 / ROOM);
    const rows = [];
    for (const { col, row } of places.tilesIn(this.config, level, x0, y0, x1, y1)) {
      const key = `${level}/${col}_${row}`;
      if (this.there && !this.there.has(key)) continue;
      const tile = this.tiles.get(key);
      if (tile === undefined) this.request(key, level, col, row);
      else if (tile) {
        this.tiles.delete(key);
        this.tiles.set(key, tile); // the last looked at is the last to go
        rows.push(tile.length > most ? tile.slice(0, most) : tile);
        if (tile.length > most || (level < this.layer.max_level && this.kind === "objects")) this.thinned = true;
      }
    }
    return rows.flat();
  }

  request(key, level, col, row) {
    this.tiles.set(key, null);
    if (this.tiles.size > MOST_TILES) this.tiles.delete(this.tiles.keys().next().value);
    const url = this.layer.url.replace("{level}", level).replace("{col}", col).replace("{row}", row);
    if (/\.js($|\?)/.test(url)) {
      const script = document.createElement("script");
      script.onload = script.onerror = () => script.remove();
      script.src = url;
      document.head.append(script);
    } else {
      fetch(url).then((reply) => (reply.ok ? reply.json() : []))
        .then((sent) => this.arrive(key, sent))
        .catch(() => this.tiles.delete(key));
    }
  }

  // Rows as objects, or, as folders have them, {columns, rows: [[...], ...]}.
  arrive(key, sent) {
    const rows = !sent.columns ? sent
      : sent.rows.map((cells) => Object.fromEntries(sent.columns.map((name, i) => [name, cells[i]])));
    this.tiles.set(key, rows);
    this.changed();
  }
}

const marks = {
  // In pixels of the screen: never so small that it cannot be seen or clicked.
  ellipse(row, zoom) {
    const least = 4.5;
    return { a: Math.max((row.a || 0) * zoom, least), b: Math.max((row.b ?? row.a ?? 0) * zoom, least) };
  },

  drawObjects(context, layer, rows, toScreen, zoom, selected) {
    for (const row of rows) {
      const place = toScreen(row.x, row.y), { a, b } = marks.ellipse(row, zoom);
      const chosen = selected && selected.layer === layer && selected.row.id === row.id;
      context.beginPath();
      if (layer.layer.box) context.rect(place.x - a, place.y - b, 2 * a, 2 * b);
      else context.ellipse(place.x, place.y, a, b, (-(row.theta || 0) * Math.PI) / 180, 0, 2 * Math.PI);
      context.strokeStyle = "rgba(0, 0, 0, .55)";
      context.lineWidth = chosen ? 5 : 3;
      context.stroke();
      context.strokeStyle = chosen ? "#ffffff" : layer.colour;
      context.lineWidth = chosen ? 2.4 : 1.2;
      context.stroke();
    }
  },

  // The number of each sample that is large enough on the screen, in its corner.
  drawNumbers(context, config, screen) {
    const { cell: [width, height], columns, count, numbers } = config.grid;
    if (Math.min(width, height) * screen.zoom < 52) return;
    context.font = "600 12px system-ui, sans-serif";
    context.textBaseline = "top";
    context.lineJoin = "round";
    context.lineWidth = 3;
    const top = config.origin[1] + config.height - 0.5, left = config.origin[0] - 0.5;
    const first = Math.max(0, Math.floor((top - screen.y1) / height)), last = Math.floor((top - screen.y0) / height);
    for (let row = first; row <= last; row++) {
      const from = Math.max(0, Math.floor((screen.x0 - left) / width));
      const to = Math.min(columns - 1, Math.floor((screen.x1 - left) / width));
      for (let column = from; column <= to && row * columns + column < count; column++) {
        const index = row * columns + column, place = screen.to(left + column * width, top - row * height);
        const text = String(numbers ? numbers[index] : index);
        context.strokeStyle = "rgba(0, 0, 0, .75)";
        context.strokeText(text, place.x + 4, place.y + 4);
        context.fillStyle = "#ffffff";
        context.fillText(text, place.x + 4, place.y + 4);
      }
    }
  },

  drawOutlines(context, layer, rows, toScreen, zoom) {
    const seen = new Set(); // an object on a border is in several tiles
    context.beginPath();
    for (const row of rows) {
      if (seen.has(row.id)) continue;
      seen.add(row.id);
      const segments = row.segments || [];
      for (let i = 0; i < segments.length; i += 4) {
        const from = toScreen(segments[i], segments[i + 1]), to = toScreen(segments[i + 2], segments[i + 3]);
        context.moveTo(from.x, from.y);
        context.lineTo(to.x, to.y);
      }
      for (const ring of row.rings || []) {
        for (let i = 0; i < ring.length; i += 2) {
          const place = toScreen(ring[i], ring[i + 1]);
          if (i) context.lineTo(place.x, place.y);
          else context.moveTo(place.x, place.y);
        }
        context.closePath();
      }
    }
    context.lineJoin = "round";
    context.strokeStyle = "rgba(0, 0, 0, .5)";
    context.lineWidth = 3;
    context.stroke();
    context.strokeStyle = layer.colour;
    context.lineWidth = 1.2;
    context.stroke();
  },

  // The smallest ellipse that a place of the screen is in, or else the nearest centre within 8 pixels.
  hit(found, toScreen, zoom, x, y) {
    let best = null;
    for (const { layer, rows } of found) {
      for (const row of rows) {
        const place = toScreen(row.x, row.y), { a, b } = marks.ellipse(row, zoom);
        if (layer.layer.box) { // what lies in it goes first
          const on = Math.abs(x - place.x) <= a && Math.abs(y - place.y) <= b;
          if (on && !best) best = { cost: 2e9, layer, row };
          continue;
        }
        const dx = x - place.x, dy = y - place.y, t = ((row.theta || 0) * Math.PI) / 180;
        const u = (dx * Math.cos(t) - dy * Math.sin(t)) / a, v = (dx * Math.sin(t) + dy * Math.cos(t)) / b;
        const inside = u * u + v * v <= 1, near = Math.hypot(dx, dy);
        const cost = inside ? a * b : near < 8 ? 1e9 + near : Infinity;
        if (cost < Infinity && (!best || cost < best.cost)) best = { cost, layer, row };
      }
    }
    return best;
  },
};
