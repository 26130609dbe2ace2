/**
 * Words in two languages. A page makes its table once, and asks it for each word:
 *
 *     const { t, plural } = words({ en: { unlock: "Unlock", left: "{n} left" }, "zh-CN": { unlock: "解锁", left: "还剩 {n}" } });
 *     t("left", { n: 3 });
 *
 * A test reads the tables: each language has every key, with the same places in it.
 */

/** @typedef {"en" | "zh-CN"} Language */
/** @typedef {Record<string, string>} Table */

const KEPT = "keygw.language";
const listeners = new Set();

/** @returns {Language} */
function first() {
  const asked = new URLSearchParams(globalThis.location?.search ?? "").get("lang");
  const kept = asked ?? stored() ?? globalThis.navigator?.language ?? "en";
  return kept.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

/** @returns {string | null} */
function stored() {
  try {
    return globalThis.localStorage?.getItem(KEPT) ?? null;
  } catch {
    return null; // storage may be forbidden; then nothing is kept
  }
}

/** @type {Language} */
let current = first();

/** @returns {Language} */
export function language() {
  return current;
}

/** @param {Language} wanted */
export function speak(wanted) {
  current = wanted;
  try {
    globalThis.localStorage?.setItem(KEPT, wanted);
  } catch {
    // it holds for this page alone
  }
  if (globalThis.document) {
    document.documentElement.lang = wanted;
  }
  for (const listener of listeners) {
    listener();
  }
}

/**
 * @param {() => void} listener called when the language has changed
 * @returns {() => void} ends it
 */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * @param {Record<Language, Table>} tables
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 */
export function words(tables) {
  return (key, values = {}) => {
    const text = tables[current][key] ?? tables.en[key];
    if (text === undefined) {
      throw new Error(`no word for ${key}`);
    }
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? `{${name}}`));
  };
}

/** @param {Date | string | number} when @returns {string} such as 14:02 */
export function clock(when) {
  return new Intl.DateTimeFormat(current, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(when));
}

/** @param {Date | string | number} when @returns {string} such as 24 Nov 2026, 14:02 */
export function moment(when) {
  return new Intl.DateTimeFormat(current, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(new Date(when));
}

/**
 * How long ago, in the largest unit that says something.
 * @param {Date | string | number} when @param {number} [now] milliseconds @returns {string} such as "3 minutes ago"
 */
export function ago(when, now = Date.now()) {
  const seconds = Math.round((new Date(when).getTime() - now) / 1000);
  const format = new Intl.RelativeTimeFormat(current, { numeric: "auto" });
  for (const [unit, length] of /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([["day", 86400], ["hour", 3600], ["minute", 60]])) {
    if (Math.abs(seconds) >= length) {
      return format.format(Math.trunc(seconds / length), unit);
    }
  }
  return format.format(seconds, "second");
}

if (globalThis.document) {
  document.documentElement.lang = current;
}
