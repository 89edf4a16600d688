// Two methods side by side, and the table as text for a spreadsheet.
const pair = byId("pair");
const drawPair = () => {
  pair.hidden = !(rowOf.has(state.a) && rowOf.has(state.b) && state.a !== state.b);
  pair.replaceChildren();
  if (pair.hidden) return;
  const [one, other] = [rowOf.get(state.a), rowOf.get(state.b)];
  const measure = measures.get(shownMeasures()[0]);
  const number = (text) => make("td", { className: "number" }, text);
  const texts = (row, column) => {
    const [, mean, std] = data.cells[`${row}:${column}`]?.v[measure.key] ?? [0, "–", ""];
    return std ? `${mean} ± ${std}` : mean;
  };
  const rows = shownColumns(places()).map((column) => {
    const [mine, theirs] = [data.cells[`${one.key}:${column}`], data.cells[`${other.key}:${column}`]];
    const told = measure.key !== data.own ? "" : mine?.c?.[other.key] ? `${one.name} − ${other.name}: ${mine.c[other.key]}`
      : theirs?.c?.[one.key] ? `${other.name} − ${one.name}: ${theirs.c[one.key]}` : "";
    return make("tr", {}, make("th", { scope: "row" }, columns.get(column).title), number(texts(one.key, column)),
      number(texts(other.key, column)), make("td", {}, told || "not compared on this board"));
  });
  const titled = (text, className = "") => make("th", { scope: "col", className }, text);
  const table = make("table", { className: "plain" },
    make("thead", {}, make("tr", {}, titled("Setting"), titled(one.name, "number"), titled(other.name, "number"),
      titled("difference and verdict"))), make("tbody", {}, ...rows));
  const frame = make("div", { className: "scroll", tabIndex: 0 }, table);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Two methods side by side");
  pair.append(make("h3", {}, `${one.name} and ${other.name}, ${measure.title}`), frame);
};
draws.push(drawPair);

const asText = () => {
  const shown = shownColumns(places());
  const leaves = leavesOf(shown);
  const heads = leaves.flatMap(({ column, kind, measure }) => {
    const title = `${columns.get(column).title}: ${kind === "claimed" ? "claimed" : measures.get(measure).title}`;
    return kind === "claimed" ? [title] : [title, "± sd", "n"];
  });
  const lined = all("tr.method", board).filter((line) => !line.hidden).map((line) => {
    const cells = leaves.flatMap(({ column, kind, measure }) => {
      if (kind === "claimed")
        return [line.querySelector(`td.claimed[data-column="${CSS.escape(column)}"] .mean`)?.textContent ?? ""];
      const cell = data.cells[`${line.dataset.row}:${column}`];
      const [, mean, std] = cell?.v[measure] ?? [0, "", ""];
      return [mean, std, mean && cell.n];
    });
    return [rowOf.get(line.dataset.row).name, ...cells];
  });
  return [["Method", ...heads], ...lined].map((cells) => cells.join("\t")).join("\n").replaceAll("−", "-");
};
byId("copy").addEventListener("click", async () => {
  const text = asText();
  const say = (words) => (byId("count").textContent = words);
  try {
    await navigator.clipboard.writeText(text);
    say("The table is copied.");
  } catch { // an old browser, or one that does not let pages write there
    const field = make("textarea", { value: text });
    document.body.append(field);
    field.select();
    say(document.execCommand("copy") ? "The table is copied." : "This browser lets no page copy; take board.csv.");
    field.remove();
    byId("copy").focus();
  }
});
