"use strict";
// What the page can do beyond being read: sort, filter, switch lines and axes, open a cell in a dialog.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // ---- sorting: best first, worst first, then the board's own order with its groups
  const nameOf = (row) => row.querySelector(".name").textContent;
  const numberIn = (row, place) => Number(row.cells[place].dataset.value ?? NaN);
  const byName = (sign) => (a, b) => sign * nameOf(a).localeCompare(nameOf(b));
  const byNumber = (place, sign) => (a, b) => {
    const [x, y] = [numberIn(a, place), numberIn(b, place)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // what is missing stays last
    return sign * (x - y);
  };

  const sortable = (table) => {
    const bodies = all("tbody", table);
    const own = bodies.map((body) => [...body.rows]);
    const headers = all(".sort", table).map((button) => button.closest("th"));

    const sort = (header, place) => {
      const turns = place === 0 || table.dataset.lower ? ["ascending", "descending"] : ["descending", "ascending"];
      const order = [...turns, "none"][turns.indexOf(header.getAttribute("aria-sort")) + 1];
      for (const other of headers) other.setAttribute("aria-sort", other === header ? order : "none");
      bodies.forEach((body, at) => body.append(...own[at]));
      if (order !== "none") {
        const sign = order === "ascending" ? 1 : -1;
        bodies[0].append(...all("tr.method", table).sort(place === 0 ? byName(sign) : byNumber(place, sign)));
      }
      table.classList.toggle("sorted", order !== "none");
      filter();
    };
    for (const header of headers) {
      header.setAttribute("aria-sort", "none");
      const button = header.querySelector(".sort");
      button.addEventListener("click", () => sort(header, Number(button.dataset.place)));
    }
  };

  // ---- filtering, of all tables at once
  const wanted = byId("filter");
  const boards = all("table.board");
  const filter = () => {
    const words = wanted.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of all("table.board tr.method"))
      row.hidden = !words.every((word) => row.dataset.text.toLowerCase().includes(word));
    for (const heading of all("table.board tr.group")) {
      const mine = all("tr.method", heading.parentElement).some((row) => !row.hidden);
      heading.hidden = heading.closest("table").classList.contains("sorted") || !mine;
    }
    const rows = all("tr.method", boards[0]);
    const shown = rows.filter((row) => !row.hidden).length;
    byId("count").textContent = words.length ? `${shown} of ${rows.length} methods` : `${rows.length} methods`;
  };
  boards.forEach(sortable);
  wanted.addEventListener("input", filter);

  // ---- charts: one axis at a time, lines by the legend
  const axes = all('input[name="axis"]');
  const showAxis = () => {
    const chosen = axes.find((input) => input.checked)?.value;
    for (const plot of all(".plot[data-axis]")) plot.toggleAttribute("hidden", plot.dataset.axis !== chosen);
  };
  for (const input of axes) input.addEventListener("change", showAxis);

  for (const button of all(".switch")) {
    const lines = all(`.line[data-line="${button.dataset.line}"]`, button.closest("figure"));
    const set = (on) => {
      button.setAttribute("aria-pressed", String(on));
      for (const line of lines) line.classList.toggle("off", !on);
    };
    const light = (on) => () => lines.forEach((line) => line.classList.toggle("lit", on));
    button.addEventListener("click", () => set(button.getAttribute("aria-pressed") !== "true"));
    for (const [event, on] of [["focus", true], ["blur", false], ["pointerenter", true], ["pointerleave", false]])
      button.addEventListener(event, light(on));
    if (button.dataset.later) set(false);
  }

  // ---- a cell: its details move into the dialog, and back when that closes
  const dialog = byId("dialog");
  let home = null;

  const back = () => {
    if (home) home.append(...byId("dialog-body").childNodes);
    home = null;
  };
  const address = (hash) => {
    try { // a page inside a frame may not have an address of its own
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch { /* then it is not deep-linkable, and works all the same */ }
  };
  const open = (hash) => {
    const about = all(".about").find((one) => hash === `#${encodeURI(one.id)}` || hash === `#${one.id}`);
    if (!about) return false;
    back();
    home = about.closest("details");
    byId("dialog-title").textContent = home.querySelector("summary").firstChild.textContent;
    byId("dialog-body").append(about);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    return true;
  };
  const follow = () => open(location.hash);

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a.open');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (open(link.hash)) {
      event.preventDefault();
      address(link.hash);
    }
  });
  dialog.addEventListener("close", () => {
    back();
    address("");
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // outside of it
  });
  byId("dialog-close").addEventListener("click", () => dialog.close());
  addEventListener("hashchange", follow);

  for (const controls of all(".controls")) controls.hidden = false;
  for (const button of all(".sort, .switch")) button.disabled = false;
  showAxis();
  if (follow()) addEventListener("load", () => dialog.scrollTo(0, 0)); // the browser goes to the address first
})();
