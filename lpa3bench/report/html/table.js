// The table of results: which cells, by which measures, in which order.
const board = byId("board");
const measures = new Map(data.measures.map((one) => [one.key, one]));
const columns = new Map(data.columns.map((one) => [one.key, one]));
const rowOf = new Map(data.rows.map((one) => [one.key, one]));
for (const button of all("thead .sort", board)) button.disabled = false;
const lines = all("tr.method", board);
const bodies = all("tbody", board).map((body) => [body, [...body.rows]]);
const own = new Map(lines.map((line) => [line, all("td[data-column]", line)]));
const titles = new Map(data.columns.map(({ key }) => {
  const head = board.querySelector(`thead [data-column="${CSS.escape(key)}"]`);
  return [key, [head.querySelector(".setting"), head.querySelector("small")].map((part) => part?.cloneNode(true))];
}));
const corner = board.querySelector("thead .first");
const coverage = board.querySelector("thead .coverage");
const claims = new Set(all("td.claimed", board).map((cell) => cell.dataset.column));

// ---- which cells: all words of the filter, and every facet, are looked for in each cell
const texts = new Map(Object.entries(data.cells).map(([place, cell]) => {
  const [row, column] = [rowOf.get(place.split(":")[0]), columns.get(place.split(":")[1])];
  const words = [row.name, row.group, row.note, row.key, column.title, column.key, cell.f.task, cell.f.data, ...cell.f.slot];
  return [place, words.join(" ").toLowerCase()];
}));
const fits = (place) => {
  const [cell, row] = [data.cells[place], rowOf.get(place.split(":")[0])];
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  return (!state.task || cell.f.task === state.task) && (!state.data || cell.f.data === state.data) &&
    (!state.slot || cell.f.slot.includes(state.slot)) && (!state.group || row.group === state.group) &&
    words.every((word) => texts.get(place).includes(word));
};
const shownMeasures = () => [state.m, ...listed("also").filter((key) => key !== state.m)].filter((key) => measures.has(key));
const places = () => Object.keys(data.cells).filter(fits).filter((place) => !listed("hide").includes(place.split(":")[1]));
const shownColumns = (fitting) => data.columns.map(({ key }) => key).filter((key) => fitting.some((place) => place.endsWith(`:${key}`)));

// ---- a cell by another measure than the board's
const foreign = (row, column, measure, best) => {
  const cell = data.cells[`${row}:${column}`];
  const found = cell?.v[measure];
  const box = make("td", { className: "measured" });
  if (!found) {
    if (cell) box.append(make("span", { className: "missing", title: "no number of this measure" }, "–"));
    return box;
  }
  const [value, mean, std] = found;
  box.dataset.value = value;
  box.classList.toggle("best", value === best);
  const link = make("a", { className: "open", href: `#cell-${row}:${column}` }, make("span", { className: "mean" }, mean));
  link.append(" ", make("small", {}, `${std ? `± ${std}, ` : ""}n ${cell.n}`));
  box.append(link);
  return box;
};
const bestOf = (column, measure) => {
  const values = data.rows.map(({ key }) => data.cells[`${key}:${column}`]?.v[measure]?.[0]).filter((v) => v !== undefined);
  return values.length > 1 ? (measures.get(measure).lower ? Math.min(...values) : Math.max(...values)) : NaN;
};

// ---- columns: of each setting what is claimed, then the chosen measures
const leavesOf = (shown) => shown.flatMap((column) => [
  ...(claims.has(column) ? [{ column, kind: "claimed", name: "claimed" }] : []),
  ...shownMeasures().map((measure) => ({
    column, measure, kind: "measured", best: bestOf(column, measure),
    name: shownMeasures().length > 1 || measure !== data.own ? measures.get(measure).name : "measured",
  })),
]);
const sorter = (leaf, sole) => {
  const key = leaf.kind === "claimed" ? `${leaf.column}~claimed` : `${leaf.column}~${leaf.measure}`;
  const title = columns.get(leaf.column).title;
  const words = sole ? title : `${title}: ${leaf.name}`;
  const name = sole ? titles.get(leaf.column)[0].cloneNode(true) : leaf.name;
  const button = make("button", { type: "button", className: "sort" }, name, make("span", { className: "arrow" }));
  button.setAttribute("aria-label", `Sort by ${words}`);
  const head = make("th", { scope: "col", className: leaf.kind }, button);
  head.dataset.sort = key;
  const note = titles.get(leaf.column)[1];
  if (sole && note) head.append(note.cloneNode(true));
  return head;
};
const head = (shown, leaves) => {
  const per = (column) => leaves.filter((leaf) => leaf.column === column).length;
  const sole = leaves.length === shown.length;
  const rows = [];
  const groups = shown.map((key) => columns.get(key).group);
  if (groups.some(Boolean)) {
    const over = make("tr", { className: "over" }, make("td"));
    shown.forEach((key, n) => {
      if (n && groups[n] === groups[n - 1]) over.lastChild.colSpan += per(key);
      else over.append(make("th", { scope: "colgroup", colSpan: per(key) }, make("span", {}, make("b", {}, groups[n]))));
    });
    over.append(make("td"));
    rows.push(over);
  }
  if (!sole) {
    const named = shown.map((key) => {
      const [name, note] = titles.get(key);
      const cell = make("th", { scope: "colgroup", colSpan: per(key) }, make("span", {}, name.cloneNode(true)));
      if (note) cell.firstChild.append(note.cloneNode(true));
      return cell;
    });
    rows.push(make("tr", { className: "columns" }, make("td"), ...named, make("td")));
  }
  rows.push(make("tr", { className: "kinds" }, corner, ...leaves.map((leaf) => sorter(leaf, sole)), coverage));
  board.tHead.replaceChildren(...rows);
};

// ---- order: best first, worst first, then the board's own with its groups
const turns = (key) => {
  const worst = key === "name" || measures.get(key.split("~")[1])?.lower;
  return worst ? ["ascending", "descending"] : ["descending", "ascending"];
};
const order = () => {
  for (const [body, rows] of bodies) body.append(...rows);
  const [key, turn] = state.sort.split("!");
  const place = all("thead tr.kinds > th", board).findIndex((one) => one.dataset.sort === key);
  for (const one of all("thead tr.kinds > th", board)) one.setAttribute("aria-sort", one.dataset.sort === key ? turn : "none");
  board.classList.toggle("sorted", place >= 0);
  if (place < 0) return;
  const sign = turn === "ascending" ? 1 : -1;
  const value = (line) => Number(line.cells[place].dataset.value ?? NaN);
  const byNumber = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // what is missing stays last
    return sign * (x - y);
  };
  const byName = (a, b) => sign * rowOf.get(a.dataset.row).name.localeCompare(rowOf.get(b.dataset.row).name);
  bodies[0][0].append(...[...lines].sort(key === "name" ? byName : byNumber));
};
corner.dataset.sort = "name";
coverage.dataset.sort = "cells";
board.tHead.addEventListener("click", (event) => {
  const head = event.target.closest(".sort")?.closest("th");
  if (!head) return;
  const key = head.dataset.sort;
  const next = turns(key)[turns(key).indexOf(head.getAttribute("aria-sort")) + 1];
  choose({ sort: next ? `${key}!${next}` : "" });
  all("thead .kinds > th", board).find((one) => one.dataset.sort === key)?.querySelector(".sort").focus();
});

const measured = (of) => of.filter((place) => data.cells[place].v[data.own]);
const coveredBy = (of) => `${measured(of).length} of ${of.length}`;
const drawTable = () => {
  const fitting = places();
  const shown = shownColumns(fitting);
  const leaves = leavesOf(shown);
  head(shown, leaves);
  for (const line of lines) {
    const row = line.dataset.row;
    const cells = leaves.map(({ column, kind, measure, best }) =>
      kind === "claimed" || measure === data.own
        ? own.get(line).find((cell) => cell.dataset.column === column && cell.classList.contains(kind))
        : foreign(row, column, measure, best));
    line.replaceChildren(line.cells[0], ...cells, line.lastElementChild);
    const mine = fitting.filter((place) => place.startsWith(`${row}:`));
    line.hidden = !mine.length;
    line.lastElementChild.dataset.value = measured(mine).length;
    line.lastElementChild.textContent = coveredBy(mine);
  }
  for (const cell of all("tfoot td[data-column]", board)) {
    cell.hidden = !shown.includes(cell.dataset.column);
    cell.colSpan = leaves.filter((leaf) => leaf.column === cell.dataset.column).length || 1;
    cell.textContent = coveredBy(fitting.filter((place) => place.endsWith(`:${cell.dataset.column}`)));
  }
  board.querySelector("tfoot .total").textContent = coveredBy(fitting);
  board.closest(".scroll").hidden = !fitting.length;
  byId("nothing").hidden = fitting.length > 0;
  order();
  for (const heading of all("tr.group", board)) {
    heading.hidden = board.classList.contains("sorted") || all("tr.method", heading.parentElement).every((row) => row.hidden);
    heading.cells[0].colSpan = leaves.length + 2;
  }
  const [of, how] = [lines.filter((line) => !line.hidden).length, shown.length];
  byId("count").textContent = `${of} of ${lines.length} methods, ${how} of ${data.columns.length} settings`;
  const told = shownMeasures().map((key) => measures.get(key));
  const alone = told.length === 1 && told[0].key === data.own;
  byId("shown").textContent = told.map((one) => (alone ? one.text : `${one.title[0].toUpperCase()}${one.title.slice(1)}: ${one.text}${one.lower ? " Lower is better." : ""}`)).join(" ");
  byId("unit").hidden = !alone;
  const turned = new Set(told.map((one) => (one.lower ? "lowest" : "highest")));
  if (byId("best")) byId("best").textContent = [...turned].join(" or ");
  const untested = told.every((one) => one.key !== data.own);
  if (byId("untested")) byId("untested").hidden = !untested;
  for (const part of all("#results .of-verdicts")) part.hidden = untested;
};
draws.push(drawTable);
