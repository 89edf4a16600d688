// A cell's details in a dialog, which its address opens and Back closes.
const dialog = byId("dialog");
let home = null;

const putBack = () => {
  if (home) home.append(...byId("dialog-body").childNodes);
  home = null;
};
const cellOf = (hash) => all(".about").find((one) => hash === `#${encodeURI(one.id)}` || hash === `#${one.id}`);
const open = (hash) => {
  const about = cellOf(hash);
  if (!about) return false;
  if (!dialog.contains(about)) {
    putBack();
    home = about.closest("details");
    byId("dialog-title").textContent = home.querySelector("summary").firstChild.textContent;
    byId("dialog-body").append(about);
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  return true;
};
const followHash = () => {
  if (!open(location.hash) && dialog.open) dialog.close();
};

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.open");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const hash = link.getAttribute("href");
  if (open(hash)) {
    event.preventDefault();
    visit("pushState", hash, "cell");
  }
});
dialog.addEventListener("close", () => {
  putBack();
  if (!cellOf(location.hash)) return; // Back has closed it
  if (history.state === "cell") history.back();
  else visit("replaceState", "");
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // outside of it
});
byId("dialog-close").addEventListener("click", () => dialog.close());
