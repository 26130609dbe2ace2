/** A session that leaves the console, and comes back: as JSON lines, as btsnoop, as a test. */

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The frames, as `keygw trace --json` prints them. @param {import("./store.js").Entry[]} entries @returns {string} */
export function lines(entries) {
  return entries.filter((entry) => entry.of === "frame").map((entry) => {
    const { s, of, ...record } = JSON.parse(entry.line);
    return JSON.stringify(record);
  }).join("\n") + "\n";
}

/** @param {string} text JSON lines of `keygw trace --json` @returns {any[]} or throws */
export function records(text) {
  return text.split("\n").filter((line) => line.trim()).map((line) => {
    const record = JSON.parse(line);
    if (typeof record?.raw !== "string" || typeof record.kind !== "string" || !Array.isArray(record.fields)) {
      throw new SyntaxError("not a record of keygw trace");
    }
    return record;
  });
}

/**
 * What hands did and what came of it, as a test that does it again in a fresh world.
 * @param {import("./store.js").Entry[]} entries @returns {string}
 */
export function pytest(entries) {
  /** @type {[string, any, any][]} */
  const steps = [];
  const ends = new Map();
  for (const entry of entries) {
    if (entry.of === "event") {
      const { data } = JSON.parse(entry.line).event;
      const id = data?.command_id ?? data?.id;
      if (id && data.state) {
        ends.set(id, data.state);
      }
    }
  }
  for (const entry of entries) {
    const said = JSON.parse(entry.line);
    if (entry.of === "order") {
      const { outcome, ok } = said.told;
      steps.push([said.whose, said.order, { ...(outcome === undefined ? {} : { outcome }), ...(ok === undefined ? {} : { ok }) }]);
    } else if (entry.of === "request" && said.number !== null && said.status === 202 && said.action) {
      const state = ends.get(said.id);
      steps.push(["app", { action: said.action }, ["confirmed", "failed"].includes(state) ? { state } : {}]);
    }
  }
  const rows = steps.map(([whose, order, told]) => `    (${python(whose)}, ${python(order)}, ${python(told)}),\n`).join("");
  return `"""A session of the keygw console, done again in a fresh simulated world. Needs keygw; run it with pytest."""

import asyncio

from keygw_sim.studio.replay import replay

STEPS = [
${rows}]


def test_session(tmp_path):
    asyncio.run(replay(STEPS, tmp_path))
`;
}

/** @param {any} value @returns {string} */
function python(value) {
  if (value === true || value === false) {
    return value ? "True" : "False";
  }
  if (value === null) {
    return "None";
  }
  if (Array.isArray(value)) {
    return `[${value.map(python).join(", ")}]`;
  }
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
