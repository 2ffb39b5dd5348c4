// The Fleet page: asks once a second for what is new, redraws.
import { ask, byId, clock, element, ms, number, repeat, short, words } from "./common.js";
import { Chart, bar } from "./charts.js";

const KEPT = 600;
const STACKED = 6;
const CONNECTORS = ["Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Unavailable", "Faulted"];
const charts = Object.fromEntries(
  ["stations", "messages", "response", "power", "reconnects", "health"].map((name) => [
    name, new Chart(byId(`chart-${name}`), { stacked: name === "messages" }),
  ]),
);
let run, latest = 0, recent = [], whole = [], tones = new Map();

const tile = (name, value, detail = "") => {
  const [, shown, small] = byId(`tile-${name}`).children;
  shown.textContent = value;
  small.textContent = detail;
};

const row = (cells, head = true) => {
  const made = element("tr");
  made.append(...cells.map((cell, i) => {
    const one = element(head && i === 0 ? "th" : "td", cell);
    if (head && i === 0) one.scope = "row";
    return one;
  }));
  return made;
};

function verdict(told) {
  const box = byId("verdict");
  box.className = `verdict ${told.verdict}`;
  box.querySelector("strong").textContent = words[told.verdict];
  box.querySelector("ul").replaceChildren(...told.reasons.map((reason) => element("li", reason)));
}

function tiles(told) {
  const now = recent[recent.length - 1];
  if (!now) return;
  const { sums, links } = told;
  const waiting = sums.waiting ? ` + ${number(sums.waiting)} ${words.starting}` : "";
  tile("stations", number(sums.stations), `${number(links.open || 0)} ${words.open}${waiting}`);
  tile("charging", number(sums.sessions));
  tile("power", sums.power_w < 1e7 ? `${number(sums.power_w / 1e3)} kW` : `${number(sums.power_w / 1e6, 1)} MW`);
  const all = (what) => number(told.actions.reduce((sum, one) => sum + one[what], 0));
  if (told.state === "ended") tile("messages", all("count"), `${words.failed} ${all("failed")}`);
  else tile("messages", `${short(now.calls_per_s)}/s`, `${words.failed} ${short(now.failed_per_s)}/s`);
  tile("response", `${ms(now.all_ms[1])} ms`, `p50 ${ms(now.all_ms[0])}, p99 ${ms(now.all_ms[2])}`);
  tile("reconnects", `${short(now.reconnects_per_s)}/s`, `Σ ${number(sums.reconnects)}`);
  tile("backlog", number(sums.backlog));
  tile("findings", number(sums.findings));
}

function bars(told) {
  const links = [["open", "good"], ["connecting", "warn"], ["down", "bad"]];
  bar(byId("bar-links"), byId("legend-links"), links.map(([name, tone]) => ({ name: words[name], count: told.links[name] || 0, tone })));
  const known = CONNECTORS.map((name) => ({ name, count: told.connectors[name] || 0, tone: name.toLowerCase() }));
  bar(byId("bar-connectors"), byId("legend-connectors"), known.filter((part) => part.count || part.name === "Available"));
}

// An action keeps its colour for as long as the page is open.
const tone = (action) => {
  if (!tones.has(action)) tones.set(action, tones.size % 8);
  return tones.get(action);
};

function messages(points, actions) {
  const shown = actions.slice(0, STACKED).map((row) => row.action);
  const of = (point, action) => (point.by_action[action] || [0])[0];
  const series = shown.map((action) => ({ name: action.replace("OCPP ", ""), tone: tone(action), values: points.map((point) => of(point, action)) }));
  if (actions.length > STACKED) {
    const rest = actions.slice(STACKED).map((row) => row.action);
    const sum = (point) => rest.reduce((total, action) => total + of(point, action), 0);
    series.push({ name: words.other_actions, tone: "other", values: points.map(sum) });
  }
  return series;
}

function draw(told) {
  const points = document.querySelector("input[name=span]:checked").value === "whole" ? whole : recent;
  const times = points.map((point) => point.t_s);
  const line = (name, of, tone) => ({ name, tone, values: points.map(of) });
  const chosen = byId("chosen").value;
  const response = (point, i) => (chosen ? (point.by_action[chosen] || [])[i + 1] : point.all_ms[i]);
  charts.stations.show(times, [
    line(words.stations, (p) => p.stations, 0), line(words.open, (p) => p.links.open || 0, 2), line(words.charging, (p) => p.charging, 1),
  ]);
  charts.messages.show(times, messages(points, told.actions));
  charts.response.show(times, ["p50", "p95", "p99"].map((name, i) => line(name, (p) => response(p, i), [2, 1, 3][i])));
  charts.power.show(times, [line("kW", (p) => p.power_kw, 1)]);
  charts.reconnects.show(times, [line(`${words.reconnects}/s`, (p) => p.reconnects_per_s, 3), line(words.backlog, (p) => p.backlog, 0)]);
  charts.health.show(times, [line(words.own_lag, (p) => p.lag_ms, 0), line(words.loop_delay, (p) => p.delay_ms, 1)]);
}

function tables(told) {
  byId("actions").tBodies[0].replaceChildren(...told.actions.map((one) =>
    row([one.action.replace("OCPP ", ""), number(one.count), number(one.failed), short(one.per_s), ...(one.ms || [null, null, null]).map(ms)])));
  byId("findings").tBodies[0].replaceChildren(...(told.findings.length
    ? told.findings.map((one) => row([one.rule, one.title, one.severity, number(one.count)]))
    : [row(["", words.no_findings, "", ""], false)]));
  byId("workers").tBodies[0].replaceChildren(...told.workers.map((one) =>
    row([one.name, number(one.stations), `${ms(one.lag_ms)} ms`, `${ms(one.delay_ms)} ms`, `${one.cpu_percent} %`, `${one.bad} / ${one.seen}`])));
  const select = byId("chosen");
  const names = told.actions.filter((one) => one.ms).map((one) => one.action).sort();
  if (names.length !== select.options.length - 1) {
    const kept = select.value;
    select.replaceChildren(select.options[0], ...names.map((name) => new Option(name.replace("OCPP ", ""), name)));
    select.value = names.includes(kept) ? kept : "";
  }
}

function gate(told) {
  byId("gate").hidden = !told.gate.file;
  const waits = told.gate.checks.length ? "" : ` · ${told.gate.mistake || words.gate_waits}`;
  byId("gate-file").textContent = told.gate.file + waits;
  const say = { passed: `✓ ${words.passed}`, failed: `✗ ${words.failed_check}`, error: `? ${words.error}` };
  byId("checks").tBodies[0].replaceChildren(...told.gate.checks.map((one) =>
    row([one.name, one.wanted, one.value, one.margin, say[one.status]])));
}

function take(told) {
  if (told.run !== run) {
    [run, latest, recent, whole] = [told.run, 0, [], []];
  }
  recent.push(...told.points);
  recent = recent.slice(-KEPT);
  latest = told.number;
}

async function step() {
  try {
    const told = await ask(`data?after=${latest}`);
    if (told.run !== run && latest) return void ([run, latest, recent, whole] = [undefined, 0, [], []]);
    if (told.state === "idle") return;
    take(told);
    byId("run").textContent = `${told.run} · ${words[told.state]}${told.phase ? ` · ${words[told.phase] || told.phase}` : ""} · ${clock(told.elapsed_s)}`;
    verdict(told);
    tiles(told);
    bars(told);
    tables(told);
    gate(told);
    draw(told);
  } catch (error) {
    byId("run").textContent = `${words.lost_contact}: ${error.message}`;
  }
}

repeat(step, 1000);
repeat(async () => {
  const wanted = document.querySelector("input[name=span]:checked").value === "whole";
  if (wanted && run) whole = await ask("whole").catch(() => whole);
}, 3000);
