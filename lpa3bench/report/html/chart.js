// Any measure against any cost or parameter: a point for each cell of one setting, or of all, that the table shows.
const [plotWidth, plotHeight, plotDot] = [420, 280, 5];
let namespace; // as the page's own SVG has it
const drawing = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const roundValues = (low, high) => {
  const power = 10 ** Math.floor(Math.log10((high - low) / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => (high - low) / size <= 8);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(6)));
};
const shortly = (value) => [[1e9, "G"], [1e6, "M"], [1e3, "k"]].filter(([size]) => Math.abs(value) >= size && Math.abs(value) >= 1e4)
  .map(([size, sign]) => `${Number((value / size).toPrecision(6))} ${sign}`)[0] ?? String(value);

// A place for each label's middle: as near to its point as no other label and no other point lies, as in front_chart.py.
const labelsOf = (points) => {
  const box = points.length > 20 ? 22 : 33;
  const near = (one, other, by) => Math.abs(one.x - other.x) < by && Math.abs(one.y - other.y) < by;
  const steps = [0, -0.7, 0.7, -1.1, 1.1, -1.6, 1.6, -2.2, 2.2, -3.2, 3.2];
  const around = ({ x, y }) => steps.flatMap((across) => steps.map((down) => ({ x: x + across * box, y: y + down * box })))
    .filter((at) => at.x >= box / 2 && at.x <= plotWidth && at.y >= -box / 4 && at.y <= plotHeight - box / 3);
  const labels = [];
  for (const own of points) {
    const hides = (at) => points.filter((one) => near(at, one, one === own ? box / 2 : box / 2 + plotDot)).length;
    const cost = (at) => labels.filter((one) => near(at, one, box)).length * 1000 + hides(at) * 300 + Math.hypot(at.x - own.x, at.y - own.y);
    labels.push(around(own).map((at) => [cost(at), at]).reduce((best, one) => (one[0] < best[0] ? one : best))[1]);
  }
  return labels;
};

const drawChart = () => {
  const frame = byId("chart-plot");
  if (!frame) return; // nothing is measured
  namespace ??= frame.firstElementChild.namespaceURI;
  const shown = shownColumns(places());
  const setting = state.at === "all" || shown.includes(state.at) ? state.at : shown[0]; // the filter may hide what is chosen
  const list = document.querySelector('select[name="at"]');
  for (const option of list.options) option.disabled = option.value !== "all" && !shown.includes(option.value);
  list.value = setting ?? state.at;
  const sole = setting !== "all";
  const points = places().filter((place) => !sole || place.endsWith(`:${setting}`)).map((place) => ({ place, cell: data.cells[place] }))
    .filter(({ cell }) => cell.v[state.y] && cell.x?.[state.x])
    .map(({ place, cell }) => ({ place, x: cell.x[state.x], y: cell.v[state.y], n: cell.n }))
    .sort((a, b) => a.x[0] - b.x[0] || b.y[0] - a.y[0]);
  const measure = measures.get(state.y);
  const axis = all('select[name="x"] option').find((option) => option.value === state.x)?.textContent ?? "";
  byId("chart-list").replaceChildren();
  frame.replaceChildren();
  if (!points.length || !measure) {
    frame.append(make("p", { className: "muted" }, "No cell of this choice in the table has both."));
    return;
  }
  const range = (values, open) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [open && low >= 0 ? 0 : low - room, high + room];
  };
  const [x0, x1] = range(points.map((point) => point.x[0]), true);
  const [y0, y1] = range(points.map((point) => point.y[0]), false);
  const x = (value) => Number((((value - x0) / (x1 - x0)) * plotWidth).toFixed(1));
  const y = (value) => Number((plotHeight - ((value - y0) / (y1 - y0)) * plotHeight).toFixed(1));
  const grid = drawing("g", { class: "grid", "aria-hidden": "true" });
  for (const value of roundValues(y0, y1))
    grid.append(drawing("path", { d: `M0 ${y(value)}H${plotWidth}` }), drawing("text", { x: -8, y: y(value), dy: 4, "text-anchor": "end" }, shortly(value)));
  for (const value of roundValues(x0, x1))
    grid.append(drawing("path", { d: `M${x(value)} ${plotHeight}v5` }), drawing("text", { x: x(value), y: plotHeight + 19, "text-anchor": "middle" }, shortly(value)));
  grid.append(drawing("path", { class: "axis", d: `M0 0V${plotHeight}H${plotWidth}` }),
    drawing("text", { x: plotWidth, y: plotHeight + 39, "text-anchor": "end" }, `${axis} →`), drawing("text", { x: -44, y: -8 }, `${measure.title} ↑`));
  const named = ({ place }) => [rowOf.get(place.split(":")[0]).name, columns.get(place.split(":")[1])];
  const spots = points.map((point) => ({ x: x(point.x[0]), y: y(point.y[0]) }));
  const labels = labelsOf(spots);
  const marks = points.map((point, n) => {
    const [name, column] = named(point);
    const [spot, at] = [spots[n], labels[n]];
    const link = drawing("a", { href: `#cell-${point.place}`, class: "open point",
      "aria-label": `${n + 1}, ${name}, ${column.title}: ${point.y[1]} at ${point.x[1]}` });
    link.append(drawing("path", { class: "leader", d: `M${spot.x} ${spot.y}L${at.x} ${at.y}` }),
      drawing("circle", { class: "dot", cx: spot.x, cy: spot.y }),
      drawing("g", { transform: `translate(${at.x} ${at.y})` }, drawing("circle", { class: "hit" }),
      drawing("circle", { class: "disc" }), drawing("text", {}, String(n + 1))));
    return link;
  });
  const plot = drawing("svg", { class: "plot", viewBox: `-56 -24 ${plotWidth + 76} ${plotHeight + 70}`, role: "group",
    "aria-label": `${measure.name} against ${axis}` }, grid, ...marks);
  frame.append(plot);
  const heading = (text, className = "") => make("th", { scope: "col", className }, text);
  const rows = points.map((point, n) => {
    const [name, column] = named(point);
    const number = (text) => make("td", { className: "number" }, text);
    const link = make("a", { className: "open", href: `#cell-${point.place}` }, sole ? name : `${name}, ${column.title}`);
    return make("tr", {}, make("td", { className: "number" }, String(n + 1)), make("th", { scope: "row" }, link),
      number(point.y[2] ? `${point.y[1]} ± ${point.y[2]}` : point.y[1]), number(point.x[1]));
  });
  byId("chart-list").append(make("table", { className: "plain points" }, make("thead", {}, make("tr", {}, heading("no.", "number"),
    heading(sole ? "Method" : "Method, setting"), heading(measure.title, "number"), heading(axis, "number"))), make("tbody", {}, ...rows)));
};
draws.push(drawChart);
