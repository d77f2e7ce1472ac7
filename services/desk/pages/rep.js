// A rep's inbox: drawn from GET /v1/inbox, kept live by GET /v1/events, worked by POST /v1/leads/{id}/actions.
const data = JSON.parse(document.getElementById("data").textContent);
const me = encodeURIComponent(data.rep);
let rows = [], asking = null, fresh = new Set(), chosen = null;

const act = async (row, body, done) => {
  try {
    await call("POST", `/v1/leads/${row.lead_id}/actions`, { assignment_id: row.assignment_id, ...body });
    asking = null; toast(done); await load();
  } catch (error) { toast(error.message, true); await load(); }
};
const field = (label, input) => el("label", {}, label, input);
const options = (list) => list.map((o) => el("option", { value: o.id ?? o }, o.title ?? plain(o)));
const ASK = {
  reject: (row) => [[field("Why?", el("select", { name: "reason" }, options(data.reasons.reject)))], "Reject", (f) => act(row, { type: "reject", reason: f.reason }, "Rejected. Marketing sees why.")],
  recycle: (row) => [[field("Why?", el("select", { name: "reason" }, options(data.reasons.recycle)))], "Recycle", (f) => act(row, { type: "recycle", reason: f.reason }, "Back to marketing for now.")],
  lose: (row) => [[field("Why?", el("select", { name: "reason" }, options(data.reasons.lose)))], "Lose", (f) => act(row, { type: "lose", reason: f.reason }, "Recorded as lost.")],
  attempt: (row) => [[field("By", el("select", { name: "channel" }, options(["phone", "mail", "linkedin", "visit"]))), field("Result", el("select", { name: "disposition" }, options(["no_answer", "voicemail", "busy", "wrong_number", "left_message"])))], "Record attempt", (f) => act(row, { type: "attempt", ...f }, "Attempt recorded.")],
  connect: (row) => [[field("By", el("select", { name: "channel" }, options(["phone", "mail", "video", "visit"])))], "Record talk", (f) => act(row, { type: "connect", ...f }, "You talked: recorded.")],
  meeting: (row) => [[field("Meeting", el("select", { name: "type" }, [["meeting_booked", "booked"], ["meeting_held", "held"], ["meeting_no_show", "no-show"]].map(([v, t]) => el("option", { value: v }, t))))], "Record meeting", (f) => act(row, f, "Meeting recorded.")],
  note: (row) => [[field("Note", el("textarea", { name: "text", rows: 3, required: true }))], "Keep note", (f) => act(row, { type: "note", text: f.text }, "Note kept.")],
  next_step: (row) => [[field("Due", el("input", { name: "due_at", type: "datetime-local", required: true }))], "Set next step", (f) => act(row, { type: "next_step", due_at: new Date(f.due_at).toISOString() }, "Next step set.")],
  win: (row) => [[field("Amount", el("input", { name: "amount", inputmode: "decimal", placeholder: "12000.00" })), field("Currency", el("input", { name: "currency", value: "EUR", size: 4 }))], "Win", (f) => act(row, { type: "win", ...(f.amount ? { amount: { amount: f.amount, currency: f.currency } } : {}) }, "Won. Well done!")],
  hand_over: (row) => [[field("To", el("select", { name: "to_role" }, options(data.roles)))], "Hand over", (f) => act(row, { type: "hand_over", to_role: f.to_role }, "Handed over.")],
};
const ask = (row, what) => { asking = { lead: row.lead_id, what }; draw(); document.querySelector(".ask select, .ask input, .ask textarea")?.focus(); };
const button = (text, key, doing, kind = "") => el("button", { type: "button", class: kind, onclick: doing, "aria-keyshortcuts": key }, text, key ? el("kbd", {}, key) : null);
const buttons = (row) => {
  const taken = row.lead_status !== "assigned";
  return el("div", { class: "buttons" },
    taken ? null : button("Accept", "a", () => act(row, { type: "accept" }, "Accepted."), "main"),
    button("Attempt", "t", () => ask(row, "attempt")), button("Talked", "c", () => ask(row, "connect"), taken ? "main" : ""),
    button("Meeting", "m", () => ask(row, "meeting")), button("Note", "n", () => ask(row, "note")), button("Next step", "s", () => ask(row, "next_step")),
    taken ? button("Opportunity", "o", () => act(row, { type: "opportunity" }, "Opportunity opened.")) : null,
    taken && data.roles.length ? button("Hand over", "h", () => ask(row, "hand_over")) : null, taken ? button("Win", "w", () => ask(row, "win")) : null,
    row.lead_status === "working" ? null : button("Reject", "r", () => ask(row, "reject"), "bad"), button("Recycle", "y", () => ask(row, "recycle"), "bad"),
    taken ? button("Lose", "l", () => ask(row, "lose"), "bad") : null, row.undoable.length ? button("Undo", "u", () => act(row, { type: "undo" }, "Undone.")) : null);
};
const asked = (row) => {
  if (asking?.lead !== row.lead_id) return null;
  const [fields, label, doing] = ASK[asking.what](row);
  return el("form", { class: "ask", onsubmit: (e) => { e.preventDefault(); doing(Object.fromEntries(new FormData(e.target))); } },
    fields, el("button", { class: "main" }, label), el("button", { type: "button", onclick: () => { asking = null; draw(); } }, "Cancel"));
};
const contact = (c) => el("div", { class: "ways" }, c.email ? el("a", { href: `mailto:${c.email}` }, c.email) : null, c.phone ? el("a", { href: `tel:${c.phone}` }, c.phone) : null, c.country ? el("span", {}, c.country) : null);
const card = (row) => el("article", { class: fresh.has(row.assignment_id) ? "card fresh" : "card", tabindex: 0, "data-lead": row.lead_id, "aria-label": named(row), onfocus: () => { chosen = row.lead_id; } },
  el("div", { class: "top" }, el("h3", {}, named(row)), row.contact.company ? el("span", { class: "company" }, row.contact.company) : null, el("span", { class: "gap" }),
    ...clocks(row), grade(row), el("span", { class: "badge soft" }, row.lead_status), row.cycle > 1 ? el("span", { class: "badge soft" }, `cycle ${row.cycle}`) : null),
  contact(row.contact), row.contact.message ? el("div", { class: "said" }, row.contact.message) : null,
  el("div", { class: "two" },
    el("div", {}, el("h2", {}, "In brief"), el("ul", { class: "plain" }, row.brief.map((b) => el("li", {}, b)))),
    el("div", {}, el("h2", {}, "Why this score"), el("ul", { class: "plain" }, row.reasons.map((r) => el("li", {}, el("b", { title: `${r.points}` }, r.points > 0 ? `+${points(r.points)}` : points(r.points)), r.because)), row.because ? el("li", {}, `Yours because: ${row.because}`) : null))),
  row.next_step ? el("p", {}, `Next step: ${new Date(row.next_step).toLocaleString()}`) : null,
  row.notes.length ? el("div", {}, el("h2", {}, "Notes"), el("ul", { class: "plain" }, row.notes.map((n) => el("li", {}, n.text)))) : null,
  buttons(row), asked(row));
const draw = () => {
  const at = document.activeElement?.closest?.("[data-lead]")?.dataset.lead;
  document.getElementById("count").textContent = rows.length;
  document.getElementById("cards").replaceChildren(...(rows.length ? rows.map(card) : [el("div", { class: "empty" }, el("b", {}, "Nothing waits for you."), "The next lead appears here by itself.")]));
  if (at && !asking) document.querySelector(`[data-lead="${at}"]`)?.focus();
};
const HEADINGS = { assigned: "New lead", withdrawn: "Taken back", ended: "Ended", refused: "Came too late", clock_warned: "Hurry", clock_breached: "Too late", claimable: "Who wants it?" };
const whose = (lead) => { const row = rows.find((r) => r.lead_id === lead); return row ? named(row) : `lead ${lead.slice(0, 8)}`; };
const tell = (list) => document.getElementById("told").replaceChildren(...list.slice(0, 12).map((n) => el("li", { class: n.type }, el("b", {}, HEADINGS[n.type] || n.type), ` – ${n.because} `, el("small", {}, whose(n.lead_id)))));
const claim = (list) => {
  document.getElementById("claims").hidden = !list.length;
  document.getElementById("claimable").replaceChildren(...list.map((row) => el("li", {}, `${row.brief[0] || "A lead"} `, grade(row), " ",
    el("button", { type: "button", class: "main", onclick: () => act({ ...row, assignment_id: row.request_id }, { type: "claim", by: data.rep }, "You asked for it.") }, "Claim"))));
};
let loading = null;
const load = () => loading ??= (async () => {
  try {
    const [inbox, told, claimable] = await Promise.all([call("GET", `/v1/inbox?rep=${me}`), call("GET", `/v1/notices?rep=${me}`), call("GET", `/v1/claimable?rep=${me}`)]);
    const before = new Set(rows.map((r) => r.assignment_id));
    fresh = new Set(rows.length ? inbox.map((r) => r.assignment_id).filter((a) => !before.has(a)) : []);
    rows = inbox; if (!asking || !rows.some((r) => r.lead_id === asking.lead)) { asking = null; draw(); }
    tell(told); claim(claimable);
  } catch (error) { toast(error.message, true); } finally { loading = null; }
})();
document.getElementById("available").addEventListener("change", async (e) => {
  try { await call("PUT", `/v1/reps/${me}/availability`, { available: e.target.checked }); toast(e.target.checked ? "You take leads." : "You take no new leads."); }
  catch (error) { e.target.checked = !e.target.checked; toast(error.message, true); }
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && asking) { asking = null; draw(); return; }
  if (e.metaKey || e.ctrlKey || e.altKey || e.target.closest("input, select, textarea")) return;
  const cards = [...document.querySelectorAll("[data-lead]")], at = cards.findIndex((c) => c.dataset.lead === chosen);
  if (e.key === "j" || e.key === "k") { cards[Math.max(0, Math.min(cards.length - 1, at + (e.key === "j" ? 1 : -1)))]?.focus(); return; }
  const pressed = cards[Math.max(at, 0)]?.querySelector(`[aria-keyshortcuts="${CSS.escape(e.key)}"]`);
  if (pressed) { e.preventDefault(); pressed.click(); }
});
const live = document.getElementById("live"), stream = new EventSource(`/v1/events?rep=${me}`);
stream.onopen = () => { live.className = "live on"; live.title = "live"; load(); };
stream.onerror = () => { live.className = "live"; live.title = "connecting again"; };
for (const kind of Object.keys(HEADINGS)) stream.addEventListener(kind, (e) => {
  const said = JSON.parse(e.data);
  if (kind === "refused" || kind.startsWith("clock")) toast(`${HEADINGS[kind]}: ${said.because}`, true);
  load();
});
setInterval(() => { if (!asking) draw(); }, 30000);
rows = data.now.inbox; draw(); tell(data.now.notices); claim(data.now.claimable);
