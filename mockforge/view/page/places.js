// Places: pixels of the sky, of the picture, of tiles, and RA and Dec. Arithmetic alone, no page.
//
// Sky: (x, y), pixel centres are integers, y runs up. Picture: (u, v) from its top left corner, v runs
// down, the middle of the first pixel is (0.5, 0.5). So x = origin_x + u - 0.5 and
// y = origin_y + height - 0.5 - v. All of it fits doubles: an endless sky has 2^30 pixels a side.
"use strict";

const places = {
  skyOfPicture(config, u, v) {
    return { x: config.origin[0] + u - 0.5, y: config.origin[1] + config.height - 0.5 - v };
  },

  pictureOfSky(config, x, y) {
    return { u: x - config.origin[0] + 0.5, v: config.origin[1] + config.height - 0.5 - y };
  },

  // Tiles (col, row) of a level that a part of the sky touches, corners in any order.
  tilesIn(config, level, x0, y0, x1, y1) {
    const side = config.tile * 2 ** (config.max_level - level);
    const a = places.pictureOfSky(config, Math.min(x0, x1), Math.max(y0, y1));
    const b = places.pictureOfSky(config, Math.max(x0, x1), Math.min(y0, y1));
    const last = (n) => Math.ceil(n / side) - 1;
    const clip = (value, n) => Math.max(0, Math.min(last(n), Math.floor(value / side)));
    const tiles = [];
    for (let row = clip(a.v, config.height); row <= clip(b.v, config.height); row++) {
      for (let col = clip(a.u, config.width); col <= clip(b.u, config.width); col++) {
        tiles.push({ level, col, row });
      }
    }
    return tiles;
  },

  // Level at which a pixel of the picture is about a pixel of the screen.
  levelOf(config, zoom) {
    return config.max_level + Math.ceil(Math.log2(zoom) - 1e-6);
  },

  // Gnomonic projection: Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3.
  radec(wcs, x, y) {
    const rad = Math.PI / 180;
    const dx = x - wcs.crpix[0], dy = y - wcs.crpix[1];
    const xi = (wcs.cd[0][0] * dx + wcs.cd[0][1] * dy) * rad;
    const eta = (wcs.cd[1][0] * dx + wcs.cd[1][1] * dy) * rad;
    const d0 = wcs.crval[1] * rad;
    const down = Math.cos(d0) - eta * Math.sin(d0);
    const ra = wcs.crval[0] + Math.atan2(xi, down) / rad;
    const dec = Math.atan2(Math.sin(d0) + eta * Math.cos(d0), Math.hypot(xi, down)) / rad;
    return { ra: ((ra % 360) + 360) % 360, dec };
  },

  // Null where the place is not on the plane's half of the sky.
  pixelOf(wcs, ra, dec) {
    const rad = Math.PI / 180;
    const da = (ra - wcs.crval[0]) * rad, d = dec * rad, d0 = wcs.crval[1] * rad;
    const cosine = Math.sin(d0) * Math.sin(d) + Math.cos(d0) * Math.cos(d) * Math.cos(da);
    if (!(cosine > 1e-6)) return null;
    const xi = (Math.cos(d) * Math.sin(da)) / cosine / rad;
    const eta = (Math.cos(d0) * Math.sin(d) - Math.sin(d0) * Math.cos(d) * Math.cos(da)) / cosine / rad;
    const [[a, b], [c, e]] = wcs.cd;
    const det = a * e - b * c;
    return { x: wcs.crpix[0] + (e * xi - b * eta) / det, y: wcs.crpix[1] + (a * eta - c * xi) / det };
  },

  sexagesimal(ra, dec) {
    const text = (value, digits) => {
      const unit = 10 ** digits;
      const total = Math.round(value * 3600 * unit);
      const seconds = total % (60 * unit), minutes = Math.floor(total / (60 * unit));
      const whole = String(Math.floor(seconds / unit)).padStart(2, "0");
      const part = String(Math.round(seconds % unit)).padStart(digits, "0");
      return [Math.floor(minutes / 60), minutes % 60].map((n) => String(n).padStart(2, "0")).join(":") +
        `:${whole}.${part}`;
    };
    const hours = text((((ra % 360) + 360) % 360) / 15, 3).replace(/^24:/, "00:");
    return `${hours}  ${dec < 0 ? "−" : "+"}${text(Math.abs(dec), 2)}`;
  },

  // What is typed to go to: "150.1 2.2", "10:00:24 +02:12:00", "10h00m24s +2d12m", "x=100 y=200".
  // {ra, dec} in degrees, {x, y}, or null. Two plain numbers are RA and Dec where there is a WCS.
  parse(text, hasWcs) {
    const value = text.trim().replace(/[−–]/g, "-").toLowerCase();
    const pixel = value.match(/^x\s*=?\s*([-+\d.e]+)[\s,;]+y\s*=?\s*([-+\d.e]+)$/);
    if (pixel) return places.finite({ x: Number(pixel[1]), y: Number(pixel[2]) });
    const tidy = value.replace(/([hmd°'′]|s(?=\s|$|,)|["″])\s*(?=[\d.])/g, ":").replace(/[hmd°'′s"″]/g, " ");
    const words = tidy.split(/[\s,;]+/).filter(Boolean);
    if (words.length === 6 && words.every((w) => /^[-+]?[\d.]+$/.test(w))) {
      return places.parse(`${words.slice(0, 3).join(":")} ${words.slice(3).join(":")}`, hasWcs);
    }
    if (words.length !== 2 || !words.every((w) => /^[-+]?[\d.:e-]+$/.test(w))) return null;
    if (words.some((w) => w.includes(":"))) {
      const [ra, dec] = words.map((word) => {
        const parts = word.replace(/^[-+]/, "").split(":").map(Number);
        const size = parts.reduce((sum, part, i) => sum + part / 60 ** i, 0);
        return word.startsWith("-") ? -size : size;
      });
      return places.finite({ ra: words[0].includes(":") ? ra * 15 : ra, dec });
    }
    const [a, b] = words.map(Number);
    return places.finite(hasWcs ? { ra: a, dec: b } : { x: a, y: b });
  },

  finite(place) {
    return Object.values(place).every(Number.isFinite) && !(Math.abs(place.dec) > 90) ? place : null;
  },

  hash(state) {
    const words = Object.entries(state).filter(([, value]) => value !== "" && value != null);
    return "#" + words.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  },

  unhash(text) {
    const state = {};
    for (const word of text.replace(/^#/, "").split("&")) {
      const [key, value] = [word.split("=")[0], word.split("=").slice(1).join("=")];
      if (!key) continue;
      let plain = value;
      try { plain = decodeURIComponent(value); } catch (error) { /* as it was typed */ }
      const isNumber = ["x", "y", "ra", "dec", "zoom"].includes(key);
      if (!isNumber) state[key] = plain;
      else if (plain !== "" && Number.isFinite(Number(plain))) state[key] = Number(plain);
    }
    return state;
  },

  // The longest round length that is no wider than `most` pixels of the screen.
  scaleBar(scale, zoom, most) {
    const units = scale
      ? [[1, "″", 30], [60, "′", 30], [3600, "°", Infinity]]
      : [[1, " px", Infinity]];
    const perUnit = zoom / (scale || 1);
    let best = null;
    for (const [size, unit, top] of units) {
      for (let power = -4; power < 10; power++) {
        for (const digit of [1, 2, 3, 5]) {
          const value = digit * 10 ** power;
          if (value > top || (digit === 3 && power !== 1) || (size > 1 && value < 1)) continue;
          const px = value * size * perUnit;
          if (px <= most && (!best || px > best.px)) {
            best = { px, label: `${power < 0 ? value.toFixed(-power) : value}${unit}` };
          }
        }
      }
    }
    return best;
  },
};

if (typeof module !== "undefined") module.exports = places;
