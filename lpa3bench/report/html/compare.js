// Two methods side by side, and the table as text for a spreadsheet.
const pair = byId("pair");
const drawPair = () => {
  pair.hidden = !(rowOf.has(state.a) && rowOf.has(state.b));
  pair.replaceChildren();
  if (pair.hidden) return;
  if (state.a === state.b) {
    pair.append(make("p", { className: "muted" }, "That is the same method twice: choose another to compare it with."));
    return;
  }
  const [one, other] = [rowOf.get(state.a), rowOf.get(state.b)];
  const measure = measures.get(shownMeasures()[0]);
  const number = (text) => make("td", { className: "number" }, text);
  const of = (row, column) => data.cells[`${row.key}:${column}`];
  const texts = ([, mean, std]) => (std ? `${mean} ± ${std}` : mean);
  const less = ([mine, text], [theirs]) => { // as many decimals as the one has
    const words = (mine - theirs).toFixed(text.split(".")[1]?.length ?? 0);
    return Number(words) > 0 ? `+${words}` : words.replace("-", "−");
  };
  const tested = (column) => {
    const [mine, theirs] = [of(one, column)?.c?.[other.key], of(other, column)?.c?.[one.key]];
    if (measure.key === data.own && mine) return mine;
    if (measure.key === data.own && theirs) return `the other way round: ${theirs}`;
    return "not tested on this board";
  };
  const rows = shownColumns(places()).flatMap((column) => {
    const [mine, theirs] = [of(one, column)?.v[measure.key], of(other, column)?.v[measure.key]];
    if (!mine && !theirs) return [];
    return make("tr", {}, make("th", { scope: "row" }, columns.get(column).title), number(mine ? texts(mine) : "–"),
      number(theirs ? texts(theirs) : "–"), number(mine && theirs ? less(mine, theirs) : "–"), make("td", {}, tested(column)));
  });
  const titled = (text, className = "") => make("th", { scope: "col", className }, text);
  const table = make("table", { className: "plain" },
    make("thead", {}, make("tr", {}, titled("Setting"), titled(one.name, "number"), titled(other.name, "number"),
      titled("difference of means", "number"), titled("test, paired by seed", "tested"))), make("tbody", {}, ...rows));
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
