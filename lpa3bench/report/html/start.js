// The controls: what they show is the state, and what they change is the state.
const fields = all(".controls [name], .choices [name], input[name='front']").filter((field) => field.name in unchosen);
const shownBy = (field) => {
  if (field.type === "checkbox") return (field.checked = listed(field.name).includes(field.value) !== (field.name === "hide"));
  if (field.type === "radio") return (field.checked = field.value === state[field.name]);
  if (field.value !== state[field.name]) field.value = state[field.name];
};
draws.unshift(() => fields.forEach(shownBy));
for (const field of fields) {
  if (field.type === "search") {
    let begun = false; // the first letter of a word makes a step, those after it change that one
    field.addEventListener("focus", () => (begun = false));
    field.addEventListener("input", () => {
      choose({ q: field.value }, begun);
      begun = true;
    });
    continue;
  }
  field.addEventListener("change", () => {
    if (field.type !== "checkbox") return choose({ [field.name]: field.value });
    const chosen = fields.filter((one) => one.name === field.name && one.checked !== (one.name === "hide"));
    choose({ [field.name]: chosen.map((one) => one.value).join(",") });
  });
}
const menu = document.querySelector(".menu");
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu?.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});
const ofTable = ["m", "also", "task", "data", "slot", "group", "q", "hide", "sort", "a", "b"];
for (const button of all("#reset, .reset"))
  button.addEventListener("click", () => choose(Object.fromEntries(ofTable.map((key) => [key, unchosen[key]]))));

addEventListener("popstate", () => {
  const before = query();
  readAddress();
  if (query() !== before) show(); // else a cell was opened or closed, and what had the focus keeps it
  followHash();
});
readAddress();
for (const part of all(".controls, #chart")) part.hidden = false;
for (const part of all(".besides")) part.hidden = true; // the measures are in the one table
show();
open(location.hash);
