// The board's keys: t changes between light and dark, p holds the picture still.
const root = document.documentElement;
if (localStorage.leadloopTheme) root.dataset.theme = localStorage.leadloopTheme;
function turn() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = localStorage.leadloopTheme = dark ? "light" : "dark";
}
addEventListener("click", e => { if (e.target.closest("#theme")) turn(); });
addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, textarea, select")) return;
  if (e.key === "t") turn();
  if (e.key === "p") document.querySelector("#hold")?.click();
});
