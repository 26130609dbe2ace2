/**
 * What the console knows. Of each entry a small summary and the line as it came: 20,000 of them are 20 MB, and what a
 * developer opens is parsed then.
 */

export const KEPT = 20_000;
const SLACK = 1000;

/**
 * @typedef {{
 *   s: number, of: string, at: number, line: string, text: string, name: string, by: string, link: string, word: string,
 *   code: string, size: number, kind: string, number: number | null, status: number, trace: string, whole: boolean,
 * }} Entry
 */

/** @param {any} said @param {string} line @param {number} s @returns {Entry} */
export function summary(said, line, s) {
  const of = said.of ?? "frame";
  /** @type {Entry} */
  const entry = {
    s, of, at: said.at ?? 0, line, text: "", name: "", by: said.by ?? "", link: said.link ?? "", word: "", code: "", size: 0,
    kind: said.kind ?? of, number: null, status: 0, trace: "", whole: true,
  };
  if (of === "frame") {
    const message = said.message;
    const fields = message?.fields ?? said.fields ?? [];
    entry.name = message?.name ?? (said.kind === "frame" ? `${said.frame?.sequence ?? ""}` : said.kind);
    entry.whole = said.kind !== "frame" || message !== null;
    entry.word = said.verdict?.word ?? "";
    entry.code = said.verdict?.code ?? "";
    entry.size = said.raw.length / 2;
    entry.number = fields.find((/** @type {any} */ each) => each.name === "number")?.value ?? null;
    const told = fields.filter((/** @type {any} */ each) => TELLING.has(each.name) && each.value !== null);
    entry.text = [entry.code && entry.code !== entry.word ? entry.code : "", ...told.map((/** @type {any} */ each) => `${each.name} ${each.value}`)]
      .filter(Boolean).join(" · ");
  } else if (of === "request") {
    entry.name = `${said.method} ${said.path}`;
    entry.status = said.status;
    entry.word = said.status >= 500 ? "breach" : said.status >= 400 ? "refused" : "ok";
    entry.code = said.code ?? "";
    entry.text = said.detail ?? "";
    entry.number = said.number;
    entry.trace = said.trace;
    entry.size = said.ms;
  } else if (of === "event") {
    entry.name = said.event.type.replace(/^keygw\./, "");
    entry.text = telling(said.event.data);
    entry.code = said.event.data?.state ?? said.event.data?.reason ?? "";
  } else if (of === "order") {
    entry.name = said.order.do;
    entry.by = said.whose;
    entry.text = `${telling({ ...said.order, do: undefined })}${said.told.why ? ` - ${said.told.why}` : ""}`;
    entry.code = said.told.outcome ?? "";
    entry.word = said.told.ok === false || said.told.why ? "refused" : "ok";
    entry.size = said.ms;
  } else {
    entry.name = said.event ?? said.code ?? of;
    entry.by = of;
    entry.text = telling({ ...said, s: undefined, of: undefined, at: undefined, event: undefined });
    entry.word = said.event === "refused" || (said.outcome && !GOOD.has(said.outcome)) ? "refused" : "";
    entry.code = said.outcome ?? said.reason ?? "";
  }
  return entry;
}

const TELLING = new Set(["action", "outcome", "reason", "error", "link", "mtu", "peer", "rotating_id", "list", "receipt", "sequence", "state", "time"]);
const DULL = new Set(["vehicle_id", "id", "app_id", "unit", "ts", "received_at", "source", "quality", "max_age", "created_at", "expires_at", "updated_at", "number", "wait"]);
const GOOD = new Set(["done", "already_in_state", "open"]);

/** @param {any} data */
function telling(data) {
  return Object.entries(data ?? {})
    .filter(([name, value]) => !DULL.has(name) && value !== null && value !== undefined && typeof value !== "object")
    .map(([name, value]) => `${name} ${value}`).join(" · ").slice(0, 240);
}

/**
 * Words must all be found; `by:`, `link:`, `verdict:`, `type:`, `trace:`, `code:` look at one column.
 * @param {string} asked @param {Store} store @returns {(entry: Entry) => boolean}
 */
export function matcher(asked, store) {
  const wanted = asked.toLowerCase().split(/\s+/).filter(Boolean).map((word) => /^(by|link|verdict|type|trace|code):(.*)$/.exec(word) ?? word);
  return (entry) => wanted.every((word) => {
    if (typeof word === "string") {
      return `${entry.name} ${entry.link} ${entry.by} ${entry.word} ${entry.text}`.toLowerCase().includes(word);
    }
    const [, column, value] = word;
    const has = {
      by: entry.by, link: entry.link, verdict: entry.word, type: entry.name, code: entry.code, trace: store.traceOf(entry),
    }[/** @type {"by"} */ (column)] ?? "";
    return column === "trace" || column === "link" ? has.toLowerCase() === value : has.toLowerCase().startsWith(value);
  });
}

export class Store {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Map<number, string>} a command's number on the air -> its request's trace id */
    this.traces = new Map();
    /** @type {Map<string, "gateway" | "phone">} */
    this.ends = new Map();
    this.lost = 0;
    this.version = 0;
    this.paused = false;
    /** @type {string[]} */
    this.waiting = [];
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.drawing = false;
  }

  /** @param {string[]} lines */
  take(lines) {
    if (this.paused) {
      this.waiting = [...this.waiting, ...lines].slice(-KEPT);
      this.changed();
      return;
    }
    for (const line of lines) {
      const said = JSON.parse(line);
      if (said.fresh) {
        this.clear();
      } else if (said.lost) {
        this.lost += said.lost;
      } else {
        this.add(summary(said, line, said.s), said);
      }
    }
    this.trim();
  }

  /** @param {any[]} records of `keygw trace --json`, in place of what was there */
  load(records) {
    this.clear();
    records.slice(-KEPT).forEach((record, place) => this.add(summary(record, JSON.stringify(record), place + 1), record));
    this.trim();
  }

  /** @param {Entry} entry @param {any} said */
  add(entry, said) {
    this.entries.push(entry);
    if (entry.of === "request" && entry.number !== null && entry.trace) {
      this.traces.set(entry.number, entry.trace);
    }
    if (entry.of === "frame" && entry.link && said.message) {
      const how = said.message.fields.find((/** @type {any} */ each) => each.name === "link")?.value;
      if (how) {
        this.ends.set(entry.link, how === "direct" ? "phone" : "gateway");
      }
    }
  }

  trim() {
    if (this.entries.length > KEPT + SLACK) {
      this.entries.splice(0, this.entries.length - KEPT);
    }
    this.changed();
  }

  clear() {
    this.entries = [];
    this.traces.clear();
    this.lost = 0;
    this.changed();
  }

  /** @param {boolean} on */
  pause(on) {
    this.paused = on;
    if (!on) {
      const lines = this.waiting;
      this.waiting = [];
      this.take(lines);
    }
    this.changed();
  }

  /** @param {Entry} entry */
  traceOf(entry) {
    return entry.trace || (entry.number === null ? "" : this.traces.get(entry.number) ?? "");
  }

  changed() {
    this.version += 1;
    if (!this.drawing) {
      this.drawing = true;
      requestAnimationFrame(() => {
        this.drawing = false;
        this.listeners.forEach((listener) => listener());
      });
    }
  }
}

/** @param {number} at Unix seconds @returns {string} 14:02:03.456 */
export function stamp(at) {
  if (!at) {
    return "-";
  }
  const day = new Date(at * 1000);
  return `${[day.getHours(), day.getMinutes(), day.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":")}.${String(day.getMilliseconds()).padStart(3, "0")}`;
}
