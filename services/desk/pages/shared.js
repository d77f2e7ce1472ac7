// What both pages share: asking the desk's doors, saying what happened, telling how long until a deadline.
const toast = (text, bad = false) => {
  const t = document.getElementById("toast");
  t.textContent = text; t.className = bad ? "on bad" : "on";
  clearTimeout(toast.timer); toast.timer = setTimeout(() => { t.className = ""; }, bad ? 7000 : 3000);
};
const call = async (method, path, body) => {
  const answer = await fetch(path, { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail || `${answer.status} ${answer.statusText}`);
  return said;
};
const el = (tag, attributes = {}, ...children) => {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
};
const span = (ms) => {
  const minutes = Math.round(Math.abs(ms) / 60000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `${minutes} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
};
const plain = (word) => (word || "").replaceAll("_", " ").replaceAll("-", " ");
const named = (row) => row.contact.name || row.contact.email || row.contact.phone || `Lead ${row.lead_id.slice(0, 8)}`;
const points = (number) => `${Math.round(number * 10) / 10}`;
const grade = (row) => row.grade ? el("span", { class: "badge", title: "letter: fit, number: engagement" }, `${row.grade} · ${points(row.score)}`) : null;
const clocks = (row) => row.clocks.map((c) => {
  const left = new Date(c.deadline_at) - Date.now();
  const kind = left < 0 || c.phase === "breached" ? "bad" : c.phase === "warned" ? "warn" : "soft";
  return el("span", { class: `badge ${kind}`, title: `${plain(c.clock)}: until ${new Date(c.deadline_at).toLocaleString()}` },
    left < 0 ? `${plain(c.clock)} ${span(left)} late` : `${span(left)} for ${plain(c.clock)}`);
});
