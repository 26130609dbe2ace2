// A store that lasts as long as the page, or the test, does.

/** @import {Store} from './index.js' */

/** @implements {Store} */
export class MemoryStore {
  /** @type {Map<string, any>} */
  #kept = new Map();
  /** @type {Map<string, Promise<unknown>>} */
  #locks = new Map();
  /** @type {Set<(name: string) => void>} */
  #watching = new Set();

  /** @param {string} name @returns {Promise<any>} */
  async get(name) {
    return clone(this.#kept.get(name));
  }

  /** @param {string} name @param {unknown} value */
  async put(name, value) {
    this.#kept.set(name, clone(value));
    this.#tell(name);
  }

  /** @param {string} name */
  async drop(name) {
    this.#kept.delete(name);
    this.#tell(name);
  }

  /** @param {string} prefix @returns {Promise<[string, any][]>} */
  async list(prefix) {
    return [...this.#kept].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, clone(value)]);
  }

  /** @param {string} name @param {(old: any) => any} change @returns {Promise<any>} */
  async update(name, change) {
    const value = change(clone(this.#kept.get(name)));
    if (value === undefined) this.#kept.delete(name);
    else this.#kept.set(name, clone(value));
    this.#tell(name);
    return value;
  }

  /** @template T @param {string} name @param {() => Promise<T>} act @returns {Promise<T>} */
  async alone(name, act) {
    const before = this.#locks.get(name) ?? Promise.resolve();
    const mine = before.then(act);
    this.#locks.set(name, mine.catch(() => undefined));
    return mine;
  }

  /** @param {(name: string) => void} listener @returns {() => void} */
  watch(listener) {
    this.#watching.add(listener);
    return () => this.#watching.delete(listener);
  }

  /** @param {string} name */
  #tell(name) {
    for (const listener of this.#watching) listener(name);
  }
}

/** What IndexedDB would give back: a copy, and a key as it is. @param {any} value @returns {any} */
function clone(value) {
  if (value instanceof CryptoKey) return value;
  if (Array.isArray(value)) return value.map(clone);
  if (value instanceof Uint8Array) return value.slice();
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [name, clone(each)]));
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, clone(each)]));
  return value;
}
