"use strict";
// The section "Try it": sliders in, readings and a picture out; the formulas are in kick.js.

const CYCLES = 6, POINTS = 80;

// A number with three significant digits, as the tables print it.
function shown(value) {
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-2 && size < 1e5) {
    return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size))));
  }
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const raised = [...String(Number(exponent))].map(c => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  return `${mantissa} × 10${raised.join("")}`;
}

// What the section reads for a setting, by name; a period of an equilibrium is no number to give.
function readings(setup, lr, wd, g) {
  const found = { intrinsic_lr: lr * wd, ...kick.equilibrium(lr, wd, g * g) };
  if (!setup.model) return found;
  const cycle = kick.predict(setup.model, lr, wd);
  return cycle.regime === "periodic"
    ? { ...found, ...cycle }
    : { ...found, ...cycle, period: NaN, first_jump: NaN };
}

// Two curves of the effective learning rate, as lists of [step, value].
function curves(setup, lr, wd, g) {
  const even = [...Array(POINTS + 1).keys()].map(k => k / POINTS);
  let path = [], end = 8 * kick.equilibrium(lr, wd, g * g).relaxation_steps;
  if (setup.model && kick.predict(setup.model, lr, wd).regime === "periodic") {
    const cycles = kick.cycles(setup.model, lr, wd, CYCLES);
    end = cycles.at(-1).start + cycles.at(-1).length;
    path = cycles.flatMap(cycle => even.map(x => x * x * cycle.length).map(s =>
      [cycle.start + s, Math.exp(kick.within(cycle, s))]));
  }
  const rest = even.map(x => x * end).map(t => [t, kick.relaxing(lr, wd, g * g, setup.initial_norm, t)]);
  return { path, rest };
}

// Drawn at the size that it is shown in, so that its text is as large as the page's.
function draw(picture, { path, rest }) {
  const [width, height, left, bottom] = [Math.max(picture.clientWidth, 280), 300, 72, 34];
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.querySelector(".axis").setAttribute("d", `M${left} 0V${height - bottom}H${width}`);
  picture.querySelector(".unit").setAttribute("x", width);
  const all = [...path, ...rest], logs = all.map(([, y]) => Math.log10(y));
  const end = Math.max(...all.map(([x]) => x));
  const low = Math.min(...logs) - 0.05, high = Math.max(...logs) + 0.05;
  const x = t => left + (width - left) * t / end;
  const y = value => (height - bottom) * (high - Math.log10(value)) / (high - low);
  const join = points => points.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
  picture.querySelector(".path").setAttribute("points", join(path));
  picture.querySelector(".rest").setAttribute("points", join(rest));
  const ticks = [];
  for (const share of width < 480 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    const value = 10 ** (low + share * (high - low));
    ticks.push(`<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${shown(value)}</text>`);
    ticks.push(`<text x="${x(share * end)}" y="${height - bottom + 16}" text-anchor="${share === 1 ? "end" : "middle"}">${Math.round(share * end)}</text>`);
  }
  picture.querySelector(".ticks").innerHTML = ticks.join("");
}

function start(form) {
  const setup = JSON.parse(form.querySelector("script").textContent);
  const value = name => 10 ** Number(form.elements[name].value);
  function update() {
    const [lr, wd, g] = ["learning_rate", "weight_decay", "grad_norm"].map(value);
    for (const [name, given] of Object.entries({ learning_rate: lr, weight_decay: wd, grad_norm: g })) {
      form.querySelector(`[data-given="${name}"]`).textContent = shown(given);
      form.elements[name].setAttribute("aria-valuetext", shown(given));
    }
    const possible = lr * wd < 1;
    form.querySelector(".impossible").hidden = possible;
    const found = possible ? readings(setup, lr, wd, g) : {};
    for (const cell of form.querySelectorAll("[data-reading]")) {
      cell.textContent = shown(found[cell.dataset.reading]);
    }
    if (possible) draw(form.querySelector("svg"), curves(setup, lr, wd, g));
  }
  form.addEventListener("input", update);
  form.addEventListener("submit", event => event.preventDefault());
  addEventListener("resize", update);
  update();
}

if (typeof document !== "undefined") document.querySelectorAll("form.try").forEach(start);
