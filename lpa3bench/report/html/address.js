// What is chosen on the page is in its address: `?m=accuracy.oracle_best&task=FixMatch#cell-lpa3:fixmatch`. So it can be
// sent, a reload shows the same, and Back undoes. The parts of the script that follow share what is declared here.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data")?.textContent ?? "{}"); // nothing before anything is measured

const unchosen = { m: data.own ?? "", also: "", task: "", data: "", slot: "", group: "", q: "", hide: "", sort: "", a: "", b: "",
  front: all('input[name="front"]').find((input) => input.checked)?.value ?? "", y: data.own ?? "", x: "passes",
  at: all('select[name="at"] option').find((option) => option.defaultSelected)?.value ?? "all",
  "curve-x": "passes", "curve-y": "score" };
const state = { ...unchosen };
const draws = []; // what shows a state; each part of the page adds its own

// An address may be of an older page, or typed: what the page does not offer is as if it were not there.
const offered = (key, value) => {
  if (key === "q") return value;
  if (key === "sort") return /!(a|de)scending$/.test(value) ? value : "";
  const fields = all(`[name="${key}"]`);
  const known = new Set(fields.flatMap((field) => [...(field.options ?? [field])]).map((one) => one.value));
  if (fields[0]?.type === "checkbox") return value.split(",").filter((one) => known.has(one)).join(",");
  return known.has(value) ? value : unchosen[key];
};
const readAddress = () => {
  const found = new URLSearchParams(location.search);
  for (const key in unchosen) state[key] = found.has(key) ? offered(key, found.get(key)) : unchosen[key];
};
const query = () => {
  const chosen = Object.entries(state).filter(([key, value]) => value !== unchosen[key]);
  const text = new URLSearchParams(chosen).toString();
  return text ? `?${text}` : "";
};
const show = () => draws.forEach((draw) => draw());
const visit = (how, hash, about = null) => {
  try { // a page inside a frame may not have an address of its own
    history[how](about, "", `${location.pathname}${query()}${hash}`);
  } catch { /* then nothing can be linked to, and works all the same */ }
};

// A choice by hand. What is typed letter by letter makes one step of the history, not many.
const choose = (changes, typed = false) => {
  Object.assign(state, changes);
  visit(typed ? "replaceState" : "pushState", location.hash);
  show();
};
const listed = (key) => (state[key] ? state[key].split(",") : []);

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
