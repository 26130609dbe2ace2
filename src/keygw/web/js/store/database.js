// The store of a browser: IndexedDB. Keys go in that nobody can read out; what was put is durable when the call returns.

/** @import {Store} from './index.js' */

const SHELF = 'kept';
const VERSION = 1;

/** @implements {Store} */
export class DatabaseStore {
  #name;
  #database;
  #channel;

  /** @param {string} name @param {IDBDatabase} database */
  constructor(name, database) {
    this.#name = name;
    this.#database = database;
    this.#channel = new BroadcastChannel(`${name}.store`);
    database.onversionchange = () => database.close(); // a newer page in another tab goes first
  }

  /** @param {string} name @returns {Promise<DatabaseStore>} */
  static open(name) {
    return new Promise((resolve, reject) => {
      const asked = indexedDB.open(name, VERSION);
      asked.onupgradeneeded = () => asked.result.createObjectStore(SHELF);
      asked.onerror = () => reject(asked.error);
      asked.onblocked = () => reject(new Error('another tab holds an older form of the store open'));
      asked.onsuccess = () => resolve(new DatabaseStore(name, asked.result));
    });
  }

  /** @param {string} name @returns {Promise<any>} undefined if there is none */
  get(name) {
    return this.#within('readonly', (shelf, done) => { shelf.get(name).onsuccess = (event) => done(resultOf(event)); });
  }

  /** @param {string} name @param {unknown} value */
  async put(name, value) {
    await this.#within('readwrite', (shelf) => shelf.put(value, name));
    this.#channel.postMessage(name);
  }

  /** @param {string} name */
  async drop(name) {
    await this.#within('readwrite', (shelf) => shelf.delete(name));
    this.#channel.postMessage(name);
  }

  /** @param {string} prefix @returns {Promise<[string, any][]>} */
  list(prefix) {
    return this.#within('readonly', (shelf, done) => {
      /** @type {[string, any][]} */
      const found = [];
      shelf.openCursor(IDBKeyRange.bound(prefix, `${prefix}\uffff`)).onsuccess = (event) => {
        const cursor = resultOf(event);
        if (!cursor) return done(found);
        found.push([cursor.key, cursor.value]);
        cursor.continue();
      };
    });
  }

  /** Reads and writes in one transaction. @param {string} name @param {(old: any) => any} change at once @returns {Promise<any>} */
  async update(name, change) {
    const value = await this.#within('readwrite', (shelf, done) => {
      shelf.get(name).onsuccess = (event) => {
        const made = change(resultOf(event));
        if (made === undefined) shelf.delete(name);
        else shelf.put(made, name);
        done(made);
      };
    });
    this.#channel.postMessage(name);
    return value;
  }

  /** @template T @param {string} name @param {() => Promise<T>} act @returns {Promise<T>} */
  async alone(name, act) {
    return navigator.locks.request(`${this.#name}.${name}`, act);
  }

  /** What other tabs change, and this one. @param {(name: string) => void} listener @returns {() => void} */
  watch(listener) {
    const other = new BroadcastChannel(`${this.#name}.store`); // one of its own hears what the first one says
    other.onmessage = ({ data }) => listener(String(data));
    return () => other.close();
  }

  /** @param {IDBTransactionMode} mode @param {(shelf: IDBObjectStore, done: (value: any) => void) => unknown} act @returns {Promise<any>} */
  #within(mode, act) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(SHELF, mode, mode === 'readwrite' ? { durability: 'strict' } : {});
      /** @type {any} */
      let value;
      transaction.oncomplete = () => resolve(value);
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error('the store gave up'));
      act(transaction.objectStore(SHELF), (found) => { value = found; });
    });
  }
}

/** @param {Event} event @returns {any} */
const resultOf = (event) => /** @type {IDBRequest} */ (event.target).result;
