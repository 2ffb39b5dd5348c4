// What both pages need: words, numbers, and requests that carry the session's token.
export const words = JSON.parse(document.getElementById("words").textContent);
export const byId = (id) => document.getElementById(id);
const language = document.documentElement.lang;
const token = document.querySelector("meta[name=greenup-token]").content;

export const number = (value, digits = 0) =>
  value == null ? "–" : value.toLocaleString(language, { maximumFractionDigits: digits });

// On an axis there is room for seven characters.
export const short = (value) =>
  Math.abs(value) < 1e6 ? number(value, Math.abs(value) < 10 ? 1 : 0) : `${number(value / 1e6, 1)} M`;

export const ms = (value) => (value == null ? "–" : number(value, value < 10 ? 1 : 0));

export const clock = (seconds) => {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest}`;
};

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text != null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The answer, or an Error that says in words what was wrong.
export async function ask(path, options = {}) {
  const headers = { "X-Greenup-Token": token, ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (answer.redirected || !(answer.headers.get("Content-Type") || "").includes("json")) {
    throw new Error(answer.ok || answer.status === 403 ? words.reload : `HTTP ${answer.status}`);
  }
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.mistake || `HTTP ${answer.status}`);
  return told;
}

// Call `step` again and again with a pause between; never two at once, never while nobody looks.
export function repeat(step, pause_ms) {
  const again = async () => {
    if (!document.hidden) await step();
    setTimeout(again, pause_ms);
  };
  again();
}
