// A viewer for structures: spheres and bonds on a plain 2-D canvas, so that it needs no WebGL and no library.
// Drag or one finger turns, wheel (after a click) or two fingers zoom, arrow keys turn, + and - zoom.
"use strict";
(() => {
  const LEVELS = 8; // of the haze by depth
  const TURN = 0.008; // radians a pixel

  for (const figure of document.querySelectorAll("figure.viewer")) start(figure);

  function start(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const canvas = figure.querySelector("canvas");
    const context = canvas.getContext("2d");
    const label = figure.querySelector(".frame-label");
    const slider = figure.querySelector("input[type=range]");
    const which = figure.querySelector("select[name=show]");
    const by = figure.querySelector("select[name=by]");
    const legends = [...figure.querySelectorAll(".legend")]; // of each number, then of elements
    const box = figure.querySelector("input[name=cell]");
    const play = figure.querySelector("button[name=play]");
    const n = data.kind.length;
    const frames = data.frames.map((frame) => decode(frame.positions, data.scale));
    const tints = data.frames.map((frame) => frame.tint.map(bytesOf));
    const marked = new Set(data.marked);
    const near = new Set(data.near);
    const long = new Set(data.long.map(([i, j]) => key(i, j)));
    const molecule = molecules();
    const failing = new Set([...marked].map((atom) => molecule[atom]));
    let turned = firstTurn();
    let zoom = 1;
    let shown = data.first;
    let wanted = 0;
    let timer = 0;
    let palette = null;
    let size = fitted();

    function key(i, j) {
      return Math.min(i, j) * n + Math.max(i, j);
    }

    function molecules() {
      const parent = Int32Array.from({ length: n }, (_, i) => i);
      const root = (i) => {
        while (parent[i] !== i) i = parent[i] = parent[parent[i]];
        return i;
      };
      for (let b = 0; b < data.bonds.length; b += 2) parent[root(data.bonds[b])] = root(data.bonds[b + 1]);
      return parent.map((_, i) => root(i));
    }

    // how an atom is shown: 2 full, 1 as a shadow, 0 not at all
    function weight(atom) {
      if (which.value === "molecule") return failing.has(molecule[atom]) ? 2 : 0;
      if (which.value === "near") return near.has(atom) ? 2 : 1;
      return 2;
    }

    // which colour an atom has: its element's, or that of a number, which stand behind those
    function tint(atom) {
      const number = Number(by.value);
      const step = number < 0 ? 255 : tints[shown][number][atom];
      return step === 255 ? data.kind[atom] : data.colours.length + step;
    }

    // half the width of what is to be seen, in Å
    function fitted() {
      const positions = frames[data.first];
      let most = 2;
      for (let i = 0; i < n; i++) {
        if (which.value === "all" ? false : weight(i) < 2) continue;
        const r = Math.hypot(positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]);
        if (r > most) most = r;
      }
      return most + 1;
    }

    function colours() {
      const style = getComputedStyle(figure);
      const back = rgb(style.getPropertyValue("--card"));
      const ink = rgb(style.getPropertyValue("--ink"));
      const made = { back, ink, bad: style.getPropertyValue("--bad").trim(), atoms: [], sprites: [] };
      [...data.colours, ...data.tints].forEach((hex, kind) => {
        made.atoms[kind] = [];
        made.sprites[kind] = [];
        for (let level = 0; level < LEVELS; level++) {
          const colour = mix(rgb(hex), back, (0.72 * level) / (LEVELS - 1));
          made.atoms[kind].push(css(mix(colour, ink, 0.12)));
          made.sprites[kind].push(sprite(colour, mix(ink, back, (0.75 * level) / (LEVELS - 1))));
        }
      });
      made.shadow = css(mix(ink, back, 0.8));
      return made;
    }

    function draw() {
      wanted = 0;
      const ratio = window.devicePixelRatio || 1;
      const width = canvas.clientWidth;
      const height = canvas.clientHeight;
      if (!width || !height) return; // inside something that is closed
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      palette = palette || colours();
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const frame = frames[shown];
      const pixels = ((0.5 * Math.min(width, height)) / size) * zoom;
      const eye = 4 * size;
      const x = new Float32Array(n);
      const y = new Float32Array(n);
      const z = new Float32Array(n);
      const s = new Float32Array(n);
      const project = (a, b, c) => {
        const depth = turned[6] * a + turned[7] * b + turned[8] * c;
        const scale = (pixels * eye) / Math.max(eye - depth, 0.2 * eye);
        return [
          width / 2 + scale * (turned[0] * a + turned[1] * b + turned[2] * c),
          height / 2 - scale * (turned[3] * a + turned[4] * b + turned[5] * c),
          depth,
          scale,
        ];
      };
      for (let i = 0; i < n; i++) [x[i], y[i], z[i], s[i]] = project(frame[3 * i], frame[3 * i + 1], frame[3 * i + 2]);
      if (box.checked) drawCell(project, data.frames[shown].cell);

      const items = []; // [depth, atom] and [depth, atom, other]
      const shadows = new Path2D();
      for (let b = 0; b < data.bonds.length; b += 2) {
        const i = data.bonds[b];
        const j = data.bonds[b + 1];
        const full = Math.min(weight(i), weight(j));
        if (full === 1) {
          shadows.moveTo(x[i], y[i]);
          shadows.lineTo(x[j], y[j]);
        } else if (full === 2 && !long.has(key(i, j))) {
          items.push([(z[i] + z[j]) / 2 - 0.01, i, j]);
        }
      }
      context.lineWidth = 1;
      context.strokeStyle = palette.shadow;
      context.stroke(shadows);
      for (let i = 0; i < n; i++) if (weight(i) === 2 && Number.isFinite(x[i])) items.push([z[i], i]);
      items.sort((one, other) => one[0] - other[0]);
      const deep = which.value === "all" ? size : 0.9 * size;
      context.lineCap = "round";
      for (const [depth, i, j] of items) {
        const level = Math.max(0, Math.min(LEVELS - 1, Math.round(((deep - depth) / (2 * deep)) * (LEVELS - 1))));
        if (j === undefined) {
          const r = (marked.has(i) ? 0.62 : 0.5) * data.radii[data.kind[i]] * s[i];
          context.drawImage(palette.sprites[tint(i)][level], x[i] - r, y[i] - r, 2 * r, 2 * r);
          if (marked.has(i)) ring(x[i], y[i], r + 2.5);
        } else {
          half(x[i], y[i], x[j], y[j], palette.atoms[tint(i)][level], 0.2 * s[i]);
          half(x[j], y[j], x[i], y[i], palette.atoms[tint(j)][level], 0.2 * s[j]);
        }
      }
      for (const [i, j] of data.long) drawLong(x, y, i, j, distance(frame, i, j));
      if (marked.size <= 12) for (const i of marked) name(x, y, i);
      label.textContent = data.frames[shown].label;
      label.classList.toggle("failing", data.frames[shown].failure);
      figure.dataset.drawn = String(items.length);
    }

    function half(x0, y0, x1, y1, colour, width) {
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo((x0 + x1) / 2, (y0 + y1) / 2);
      context.strokeStyle = colour;
      context.lineWidth = Math.max(1, width);
      context.stroke();
    }

    function ring(x, y, r) {
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
      context.strokeStyle = palette.bad;
      context.lineWidth = 2.5;
      context.stroke();
    }

    function drawLong(x, y, i, j, length) {
      context.save();
      context.beginPath();
      context.setLineDash([5, 5]);
      context.moveTo(x[i], y[i]);
      context.lineTo(x[j], y[j]);
      context.strokeStyle = palette.bad;
      context.lineWidth = 3;
      context.stroke();
      context.restore();
      const across = Math.hypot(x[i] - x[j], y[i] - y[j]) || 1;
      const [dx, dy] = [(y[i] - y[j]) / across, (x[j] - x[i]) / across];
      const side = dy < 0 ? 1 : -1;
      text(`${length.toFixed(2)} Å`, (x[i] + x[j]) / 2 + 34 * side * dx, (y[i] + y[j]) / 2 + 20 * side * dy + 4, palette.bad);
    }

    // beside the atom, away from the other end of a broken bond
    function name(x, y, i) {
      let [dx, dy] = [0.6, -0.8];
      const bond = data.long.find((pair) => pair.includes(i));
      if (bond) {
        const j = bond[0] === i ? bond[1] : bond[0];
        const length = Math.hypot(x[i] - x[j], y[i] - y[j]) || 1;
        [dx, dy] = [(x[i] - x[j]) / length, (y[i] - y[j]) / length];
      }
      const words = `${data.elements[data.kind[i]]} ${data.ids[i]}`;
      text(words, x[i] + 40 * dx, y[i] + 28 * dy + 4, css(palette.ink));
    }

    // a broken bond lies across the picture
    function firstTurn() {
      const tilt = product(turn(0, 0.35), turn(1, 0.5));
      if (!data.long.length) return tilt;
      const [i, j] = data.long[0];
      const positions = frames[data.first];
      const along = unit([0, 1, 2].map((k) => positions[3 * j + k] - positions[3 * i + k]));
      if (!along.every(Number.isFinite)) return tilt;
      const help = Math.abs(along[2]) < 0.9 ? [0, 0, 1] : [0, 1, 0];
      const depth = unit(cross(along, cross(help, along)));
      const up = cross(depth, along);
      return product(turn(1, 0.25), [...along, ...up, ...depth]);
    }

    function text(words, x, y, colour) {
      context.font = "600 13px system-ui, sans-serif";
      context.textAlign = "center";
      context.lineJoin = "round";
      context.lineWidth = 4;
      context.strokeStyle = css(palette.back);
      context.strokeText(words, x, y);
      context.fillStyle = colour;
      context.fillText(words, x, y);
    }

    function drawCell(project, cell) {
      const corner = (a, b, c) =>
        project(...[0, 1, 2].map((k) => (a - 0.5) * cell[k] + (b - 0.5) * cell[3 + k] + (c - 0.5) * cell[6 + k]));
      context.beginPath();
      for (let edge = 0; edge < 12; edge++) {
        const axis = edge >> 2;
        const [p, q] = [edge & 1, (edge >> 1) & 1];
        const ends = [0, 1].map((e) => {
          const at = [p, q];
          at.splice(axis, 0, e);
          return corner(...at);
        });
        context.moveTo(ends[0][0], ends[0][1]);
        context.lineTo(ends[1][0], ends[1][1]);
      }
      context.strokeStyle = css(mix(palette.ink, palette.back, 0.55));
      context.lineWidth = 1;
      context.stroke();
    }

    function redraw() {
      if (!wanted) wanted = requestAnimationFrame(draw);
    }

    function rotate(dx, dy) {
      turned = product(product(turn(0, -dy * TURN), turn(1, dx * TURN)), turned);
      redraw();
    }

    function magnify(factor) {
      zoom = Math.max(0.3, Math.min(20, zoom * factor));
      redraw();
    }

    const fingers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const apart = spread();
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (fingers.size === 1) rotate(event.clientX - before[0], event.clientY - before[1]);
      else if (apart > 0) magnify(spread() / apart);
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));

    function spread() {
      if (fingers.size < 2) return 0;
      const [one, other] = [...fingers.values()];
      return Math.hypot(one[0] - other[0], one[1] - other[1]);
    }

    canvas.addEventListener(
      "wheel",
      (event) => {
        if (document.activeElement !== canvas && !event.ctrlKey) return; // the page scrolls
        event.preventDefault();
        magnify(Math.exp(-0.0015 * event.deltaY));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const step = 12;
      const act = {
        ArrowLeft: () => rotate(-step, 0),
        ArrowRight: () => rotate(step, 0),
        ArrowUp: () => rotate(0, -step),
        ArrowDown: () => rotate(0, step),
        "+": () => magnify(1.15),
        "-": () => magnify(1 / 1.15),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
    slider.addEventListener("input", () => {
      shown = Number(slider.value);
      redraw();
    });
    which.addEventListener("change", () => {
      size = fitted();
      zoom = 1;
      redraw();
    });
    by.addEventListener("change", () => {
      const number = Number(by.value);
      legends.forEach((legend, place) => {
        legend.hidden = place !== (number < 0 ? legends.length - 1 : number);
      });
      redraw();
    });
    box.addEventListener("change", redraw);
    play.addEventListener("click", () => {
      if (timer) {
        clearInterval(timer);
        timer = 0;
      } else {
        timer = setInterval(() => {
          shown = (shown + 1) % frames.length;
          slider.value = String(shown);
          redraw();
        }, 400);
      }
      play.textContent = timer ? "Pause" : "Play";
    });
    new ResizeObserver(redraw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      palette = null;
      redraw();
    });
    redraw();
  }

  function bytesOf(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  function decode(text, scale) {
    const bytes = bytesOf(text);
    const view = new DataView(bytes.buffer);
    const values = new Float32Array(bytes.length / 2);
    for (let i = 0; i < values.length; i++) {
      const step = view.getInt16(2 * i, true);
      values[i] = step === -32768 ? NaN : step * scale;
    }
    return values;
  }

  function distance(frame, i, j) {
    return Math.hypot(...[0, 1, 2].map((k) => frame[3 * i + k] - frame[3 * j + k]));
  }

  function unit(a) {
    const length = Math.hypot(...a);
    return a.map((part) => part / length);
  }

  function cross(a, b) {
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  }

  function turn(axis, angle) {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return axis === 0 ? [1, 0, 0, 0, c, s, 0, -s, c] : [c, 0, s, 0, 1, 0, -s, 0, c];
  }

  function product(a, b) {
    const c = new Array(9).fill(0);
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) for (let k = 0; k < 3; k++) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    return c;
  }

  function rgb(text) {
    const hex = text.trim().replace("#", "");
    const full = hex.length === 3 ? [...hex].map((d) => d + d).join("") : hex;
    return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
  }

  function mix(one, other, share) {
    return one.map((part, k) => part * (1 - share) + other[k] * share);
  }

  function css(colour) {
    return `rgb(${colour.map(Math.round).join(",")})`;
  }

  function sprite(colour, rim) {
    const made = document.createElement("canvas");
    made.width = made.height = 96;
    const pen = made.getContext("2d");
    const light = pen.createRadialGradient(36, 33, 4, 48, 48, 46);
    light.addColorStop(0, css(mix(colour, [255, 255, 255], 0.65)));
    light.addColorStop(0.45, css(colour));
    light.addColorStop(1, css(mix(colour, [0, 0, 0], 0.35)));
    pen.beginPath();
    pen.arc(48, 48, 45, 0, 2 * Math.PI);
    pen.fillStyle = light;
    pen.fill();
    pen.strokeStyle = css(mix(colour, rim, 0.55));
    pen.lineWidth = 2;
    pen.stroke();
    return made;
  }
})();
