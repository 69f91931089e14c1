"use strict";
// The plots of a report, drawn as SVG from the JSON of each section, and drawn again when their width changes.
// Texts become text nodes: no text is parsed as HTML.

const MARGIN = { top: 10, right: 12, left: 58 };
const SPOTS = [[9, 4, "start"], [-9, 4, "end"], [0, -9, "middle"], [0, 18, "middle"], [9, -9, "start"], [-9, 18, "end"]]; // places of a label around its point: dx, dy, anchor

function element(parent, name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return parent.appendChild(made);
}

function figure(value) {
  return value.toFixed(4);
}

function signed(value) {
  return (value < 0 ? "−" : "+") + figure(Math.abs(value));
}

// Return about `count` round numbers from low to high.
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}

function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const factor of [1, 2, 5]) if (factor * 10 ** power >= low && factor * 10 ** power <= high) found.push(factor * 10 ** power);
  return found.map((value) => Number(value.toPrecision(3)));
}

// Draw axes; x and y are { low, high, label, ticks, log }. Return the SVG and functions from values to pixels.
function axes(plot, height, x, y) {
  plot.replaceChildren();
  const width = plot.clientWidth;
  const svg = element(plot, "svg", { height, viewBox: `0 0 ${width} ${height}` });
  const scale = ({ low, high, log }, from, to) => {
    const place = log ? Math.log : Number;
    return (value) => from + ((place(value) - place(low)) / (place(high) - place(low) || 1)) * (to - from);
  };
  const right = width - MARGIN.right;
  const bottom = height - (x.ticks.length ? 38 : 22);
  const toX = scale(x, MARGIN.left, right);
  const toY = scale(y, bottom, MARGIN.top);
  for (const value of y.ticks) {
    element(svg, "path", { class: value === 0 ? "zero" : "axis", d: `M${MARGIN.left} ${toY(value)}H${right}` });
    element(svg, "text", { x: MARGIN.left - 6, y: toY(value) + 4, "text-anchor": "end" }, String(value).replace("-", "−"));
  }
  for (const value of x.ticks) {
    element(svg, "path", { class: "axis", d: `M${toX(value)} ${bottom}v4` });
    element(svg, "text", { x: toX(value), y: bottom + 17, "text-anchor": "middle" }, value.toLocaleString("en"));
  }
  element(svg, "text", { x: right, y: height - 4, "text-anchor": "end" }, x.label);
  element(svg, "text", { x: -MARGIN.top, y: 11, "text-anchor": "end", transform: "rotate(-90)" }, y.label);
  return { svg, toX, toY, left: MARGIN.left, right, bottom };
}

function drawDifferences(holder, data) {
  const plot = holder.querySelector(".plot");
  const form = holder.querySelector("form").elements;
  const [system, against] = [form.system.value, form.against.value].map(Number);
  const [ours, theirs] = [system, against].map((index) => data.values[form.measure.value][index]);
  const difference = (query) => ours[query] - theirs[query];
  const order = data.queries.map((_, query) => query);
  if (form.order.value === "difference") order.sort((a, b) => difference(b) - difference(a));
  const most = Math.max(0.05, ...order.map((query) => Math.abs(difference(query))));
  const y = { low: -most, high: most, ticks: ticks(-most, most, 6), label: `Δ ${form.measure.value}` };
  const x = { low: 0, high: order.length, ticks: [], label: `${order.length.toLocaleString("en")} topics` };
  const { svg, toX, toY, bottom } = axes(plot, 260, x, y);
  const step = toX(1) - toX(0);
  const stroke = Math.max(0.7, step - (step > 4 ? 1 : 0)); // one path for all gains and one for all losses: thousands of bars stay fast
  for (const [name, sign] of [["gain", 1], ["loss", -1]]) {
    const bars = order.map((query, place) => (difference(query) * sign > 0 ? `M${toX(place + 0.5).toFixed(1)} ${toY(0)}V${toY(difference(query)).toFixed(1)}` : ""));
    element(svg, "path", { class: `bars ${name}`, "stroke-width": stroke, d: bars.join("") });
  }
  const here = element(svg, "path", { class: "here" });
  const output = holder.querySelector("output");
  const line = (text) => output.appendChild(document.createElement("p")).append(text);

  function show(place) {
    holder.place = Math.min(order.length - 1, Math.max(0, place));
    const query = order[holder.place];
    const [id, text] = data.queries[query];
    here.setAttribute("d", `M${toX(holder.place + 0.5)} ${MARGIN.top}V${bottom}`);
    output.replaceChildren();
    line(`${id}: ${text}`);
    line(`${data.systems[against]} ${figure(theirs[query])} → ${data.systems[system]} ${figure(ours[query])} (${signed(difference(query))})`);
  }

  const point = (event) => show(Math.floor((event.clientX - svg.getBoundingClientRect().left - toX(0)) / step));
  svg.onpointermove = svg.onpointerdown = point;
  plot.onkeydown = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    show(holder.place + move);
  };
  show(holder.place ?? 0);
}

function drawPrecision(holder, data) {
  const high = Math.ceil(10 * Math.max(0.1, ...data.precision.flat())) / 10;
  const y = { low: 0, high, ticks: ticks(0, high, 5), label: "precision" };
  const { svg, toX, toY } = axes(holder.querySelector(".plot"), 300, { low: 0, high: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], label: "recall" }, y);
  data.precision.forEach((values, system) => {
    const d = values.map((value, place) => `${place ? "L" : "M"}${toX(place / (values.length - 1))} ${toY(value)}`).join("");
    element(element(svg, "path", { class: `line ${data.styles[system]}`, d }), "title", {}, data.systems[system]);
  });
}

function drawLatency(holder, data) {
  const measure = Object.keys(data.values)[0];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const points = data.systems
    .map((name, system) => ({ name, style: data.styles[system], x: data.milliseconds[system], y: mean(data.values[measure][system]) }))
    .filter((one) => one.x !== null);
  const [xs, ys] = ["x", "y"].map((axis) => points.map((one) => one[axis]));
  const x = { low: Math.min(...xs) / 1.5, high: Math.max(...xs) * 1.5, label: "ms a query", log: true };
  const spread = Math.max(0.01, Math.max(...ys) - Math.min(...ys)) / 4;
  const y = { low: Math.min(...ys) - spread, high: Math.max(...ys) + spread, label: measure };
  x.ticks = decades(x.low, x.high);
  y.ticks = ticks(y.low, y.high, 5);
  const { svg, toX, toY, left, right } = axes(holder.querySelector(".plot"), 300, x, y);
  const taken = points.map((one) => ({ x: toX(one.x) - 5, y: toY(one.y) - 5, width: 10, height: 10 }));
  const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const fits = (box) => box.x >= left && box.x + box.width <= right && !taken.some((other) => overlap(box, other));
  for (const one of points) {
    const [px, py] = [toX(one.x), toY(one.y)];
    const point = element(svg, "g", { class: `point ${one.style}` });
    element(point, "circle", { cx: px, cy: py, r: 5 });
    element(point, "title", {}, `${one.name}: ${one.x.toPrecision(3)} ms, ${measure} ${figure(one.y)}`);
    const label = element(point, "text", {}, one.name);
    SPOTS.some(([dx, dy, anchor]) => {
      for (const [key, value] of Object.entries({ x: px + dx, y: py + dy, "text-anchor": anchor })) label.setAttribute(key, value);
      return fits(label.getBBox());
    });
    taken.push(label.getBBox());
  }
}

function drawScores(holder, data) {
  holder.querySelectorAll(".plot").forEach((plot, system) => {
    const { low, high, ...kinds } = data.scores[system];
    const shares = Object.entries(kinds).map(([kind, counts]) => {
      const total = counts.reduce((sum, count) => sum + count, 0);
      return [kind, counts.map((count) => count / (total || 1)), total];
    });
    const most = Math.max(...shares.flatMap(([, share]) => share)) || 1;
    const x = { low, high, ticks: ticks(low, high, 4), label: "score" };
    const { svg, toX, toY } = axes(plot, 170, x, { low: 0, high: most, ticks: [0], label: "share" });
    for (const [kind, share, total] of shares.reverse()) {
      if (!total) continue;
      const edge = (bin) => toX(low + (bin * (high - low)) / share.length);
      const d = share.map((value, bin) => `V${toY(value)}H${edge(bin + 1)}`).join("");
      element(element(svg, "path", { class: `kind ${kind}`, d: `M${edge(0)} ${toY(0)}${d}V${toY(0)}` }), "title", {}, `${total.toLocaleString("en")} ${kind}`);
    }
  });
}

const PLOTS = { differences: drawDifferences, precision: drawPrecision, latency: drawLatency, scores: drawScores };

for (const section of document.querySelectorAll("main > section")) {
  const json = section.querySelector('script[type="application/json"]');
  if (!json) continue;
  const data = JSON.parse(json.textContent);
  for (const holder of section.querySelectorAll("[data-plot]")) {
    const draw = () => PLOTS[holder.dataset.plot](holder, data);
    let width = 0;
    new ResizeObserver(() => {
      if (width !== holder.clientWidth) requestAnimationFrame(draw);
      width = holder.clientWidth;
    }).observe(holder);
    holder.addEventListener("change", () => {
      holder.place = 0;
      draw();
    });
  }
}
