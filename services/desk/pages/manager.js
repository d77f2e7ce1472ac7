// The manager's page: the unassigned queue, who has what, reassigning. Drawn from /v1/waiting, /v1/assignments and /v1/roster.
let roster = [];
const give = async (row, to) => {
  try {
    await call("POST", `/v1/leads/${row.lead_id}/actions`, { type: "reassign", assignment_id: row.request_id, ...(to ? { to } : {}) });
    toast(to ? `On its way to ${to}.` : "Back to the rules."); await load();
  } catch (error) { toast(error.message, true); }
};
const giving = (row) => el("form", { onsubmit: (e) => { e.preventDefault(); give(row, new FormData(e.target).get("to")); } },
  el("select", { name: "to", "aria-label": `Give ${named(row)} to` }, el("option", { value: "" }, "by the rules"), roster.filter((r) => r.id !== row.rep).map((r) => el("option", { value: r.id }, r.id))),
  el("button", {}, row.rep ? "Reassign" : "Assign"));
const since = (at) => at ? span(Date.now() - new Date(at)) : "";
const line = (row, ...cells) => el("tr", {}, el("td", {}, el("b", {}, named(row)), row.contact.company ? ` · ${row.contact.company}` : ""), el("td", {}, grade(row) || ""), ...cells.map((c) => el("td", {}, c)), el("td", {}, row.request_id ? giving(row) : ""));
const table = (id, head, lines, nothing) => document.getElementById(id).replaceChildren(lines.length
  ? el("table", {}, el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, lines)) : el("div", { class: "empty" }, el("b", {}, nothing)));
const person = (r) => el("a", { class: "person", href: `/rep/${encodeURIComponent(r.id)}` }, el("div", { class: "row" }, el("b", {}, r.id), el("span", { class: r.available ? "badge" : "badge soft" }, r.available ? "takes leads" : "away")),
  el("div", { class: "row" }, el("span", {}, `${r.team} · ${r.role}`), el("span", { class: "count" }, r.open_leads_cap === null ? `${r.open_leads}` : `${r.open_leads} of ${r.open_leads_cap}`)),
  el("div", { class: "bar" }, el("i", { style: `width:${Math.min(100, r.open_leads_cap ? 100 * r.open_leads / r.open_leads_cap : r.open_leads * 5)}%` })));
const draw = (waiting, held, reps) => {
  if (document.activeElement?.closest("td form")) return;
  roster = reps;
  for (const [id, list] of [["waiting", waiting], ["held", held], ["reps", roster]]) document.getElementById(`${id}-count`).textContent = list.length;
  table("waiting", ["Lead", "Score", "Pool", "Why", "Waits", "Give to"], waiting.map((row) => line(row, row.pool || "", plain(row.queued) || "being routed", since(row.waiting_since))), "Nobody waits.");
  table("held", ["Lead", "Score", "Rep", "Status", "Clock", "Since", "Give to"], held.map((row) => line(row, row.rep, el("span", { class: "badge soft" }, row.lead_status), el("span", {}, ...clocks(row)), since(row.held_since))), "Nobody holds a lead.");
  document.getElementById("reps").replaceChildren(...roster.map(person));
};
const load = async () => {
  try {
    const [waiting, held, everybody] = await Promise.all([call("GET", "/v1/waiting"), call("GET", "/v1/assignments"), call("GET", "/v1/roster")]);
    draw(waiting, held, everybody.reps);
    document.getElementById("live").className = "live on";
  } catch (error) { document.getElementById("live").className = "live"; toast(error.message, true); }
};
const now = JSON.parse(document.getElementById("data").textContent);
draw(now.waiting, now.held, now.reps);
setInterval(load, 2000);
load();
