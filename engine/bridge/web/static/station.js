// One station's page: what it is, what can be done to it. Asks once a second while it is seen.
import { ask, byId, element, number, repeat, words } from "./common.js";

let index = null, sides = [], powered = true, active = 1;
const file = byId("file");

const path = (what = "") => `station/${index}${what}`;
const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" });

function say(box, text, good) {
  box.hidden = !text;
  box.textContent = text || "";
  box.classList.toggle("good", Boolean(good));
}

async function find(text) {
  const found = await ask(`station/find?uid=${encodeURIComponent(text)}`);
  byId("uids").replaceChildren(...found.map(([, uid]) => new Option(uid)));
  return found;
}

async function go(text) {
  try {
    const found = await find(text);
    const exact = found.find(([, uid]) => uid.toLowerCase() === text.trim().toLowerCase()) || (found.length === 1 && found[0]);
    byId("found").replaceChildren(...(exact ? [] : found.slice(0, 8).flatMap(([, uid]) => {
      const link = element("a", uid);
      link.href = `?uid=${encodeURIComponent(uid)}`;
      return [link, " "];
    })));
    if (exact) open(...exact);
    else if (!found.length) say(byId("message"), words.nothing_found);
    else say(byId("message"), "");
  } catch (error) {
    say(byId("message"), error.message);
  }
}

function open(number, uid) {
  index = number;
  sides = [];
  byId("sides").replaceChildren();
  byId("uid").value = uid;
  byId("get-conf").href = path("/OCPPConf.xml");
  say(byId("message"), "");
  say(byId("conf-answer"), "");
  history.replaceState(null, "", `?uid=${encodeURIComponent(uid)}`);
  look();
}

function makeSide(told) {
  const made = byId("side").content.cloneNode(true).firstElementChild;
  made.querySelector(".which").textContent = words[`side_${told.side}`];
  made.querySelector("h2 small").textContent = `${words.connector} ${told.number}`;
  for (const button of made.querySelectorAll("[data-deed]")) {
    button.addEventListener("click", () => {
      const value = (name) => made.querySelector(`.${name}`).value;
      act(button.dataset.deed, {
        connector: told.number, vehicle: value("vehicle"), id_tag: value("id_tag"), error_code: value("error_code"),
      });
    });
  }
  byId("sides").append(made);
  return made;
}

function showSide(told, i) {
  sides[i] ||= makeSide(told);
  const put = (name, text) => (sides[i].querySelector(`.${name}`).textContent = text);
  const running = told.transaction;
  const marks = [told.error !== "NoError" && told.error, told.plugged && words.plugged, told.locked && words.locked];
  put("status", [told.status, ...marks.filter(Boolean)].join(" · "));
  sides[i].querySelector(".status").dataset.status = told.status;
  put("meter", `${number(told.meter_wh)} Wh`);
  put("power", `${number(told.power_w)} W`);
  put("limit", `${number(told.limit_a, 1)} A`);
  put("transaction", running
    ? `${running.id ?? "?"} · ${running.id_tag} · ${words.since} ${time(running.started_s)} · ${number(running.energy_wh)} Wh`
    : words.no_transaction);
}

function showFrames(frames) {
  const box = byId("frames");
  const near = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  box.replaceChildren(...frames.map(([at, direction, text]) => {
    const line = element("li", null, direction);
    line.append(element("time", time(at)), element("b", direction === "out" ? `→ ${words.sent}` : `← ${words.received}`), element("code", text));
    return line;
  }));
  if (near) box.scrollTop = box.scrollHeight;
}

function show(told) {
  byId("station").hidden = false;
  byId("name").textContent = told.uid;
  const p = told.product;
  byId("product").textContent = `${p.vendor} ${p.model} · ${p.firmware} · ${p.serial} · ${p.personality}`;
  byId("away").hidden = told.drivers;
  for (const bit of ["active", "connected"]) {
    byId(bit).textContent = told[bit];
    byId(bit).dataset.bit = told[bit];
  }
  byId("link").textContent = words[told.link] || told.link;
  byId("registration").textContent = told.registration || "–";
  byId("backlog").textContent = told.backlog;
  byId("powered").textContent = told.powered ? words.yes : words.no;
  [powered, active] = [told.powered, told.active];
  byId("activate").textContent = active ? words.disconnect : words.connect;
  byId("mains").textContent = powered ? words.power_off : words.power_on;
  const data = [[words.next_url, told.url], ...told.data];
  byId("data").replaceChildren(...data.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  told.connectors.forEach(showSide);
  showFrames(told.frames);
}

async function look() {
  if (index === null) return;
  try {
    show(await ask(path()));
    if (byId("message").dataset.from === "look") say(byId("message"), "");
  } catch (error) {
    say(byId("message"), error.message);
    byId("message").dataset.from = "look";
  }
}

async function act(deed, values = {}) {
  try {
    const headers = { "Content-Type": "application/json" };
    await ask(path(`/${deed}`), { method: "POST", headers, body: JSON.stringify(values) });
    say(byId("message"), "");
  } catch (error) {
    say(byId("message"), error.message);
    byId("message").dataset.from = "act";
  }
  look();
}

async function store() {
  const box = byId("conf-answer");
  try {
    const headers = { "Content-Type": "application/xml" };
    const told = await ask(path("/OCPPConf.xml"), { method: "POST", headers, body: file.files[0] });
    say(box, [words.saved, ...told.warnings].join("\n"), true);
  } catch (error) {
    say(box, error.message);
  }
  file.value = "";
  chosen();
  look();
}

function chosen() {
  byId("chosen-file").textContent = file.files[0]?.name || words.no_file;
  byId("save-conf").disabled = !file.files.length;
}

byId("finder").addEventListener("submit", (event) => {
  event.preventDefault();
  go(byId("uid").value);
});
byId("uid").addEventListener("input", () => find(byId("uid").value).catch(() => {}));
byId("activate").addEventListener("click", () => act(active ? "disconnect" : "connect"));
byId("mains").addEventListener("click", () => act(powered ? "power_off" : "power_on"));
file.addEventListener("change", chosen);
byId("save-conf").addEventListener("click", store);
byId("language").addEventListener("click", (event) => {
  const wanted = new URL(event.currentTarget.href);
  const uid = new URLSearchParams(location.search).get("uid");
  if (uid) wanted.searchParams.set("uid", uid);
  event.currentTarget.href = wanted;
});
const wanted = new URLSearchParams(location.search).get("uid");
if (wanted) go(wanted);
else find("").catch((error) => say(byId("message"), error.message));
repeat(look, 1000);
