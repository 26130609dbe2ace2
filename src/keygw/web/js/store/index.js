// Where a page keeps what must survive: one port, in a browser over IndexedDB, elsewhere in memory.

import { DatabaseStore } from './database.js';

export { MemoryStore } from './memory.js';

/**
 * Names and values. `update` reads and writes at once, so that two tabs count on; its change must not wait, and undefined
 * removes. `alone`: one tab at a time. `watch` hears the names of what changes in any tab, and returns how to stop.
 * @typedef {{get: (name: string) => Promise<any>, put: (name: string, value: unknown) => Promise<void>, drop: (name: string) => Promise<void>,
 *   list: (prefix: string) => Promise<[string, any][]>, update: (name: string, change: (old: any) => any) => Promise<any>,
 *   alone: <T>(name: string, act: () => Promise<T>) => Promise<T>, watch: (listener: (name: string) => void) => () => void}} Store
 */

/** @param {string} [name] of the database @returns {Promise<Store>} */
export const openStore = (name = 'keygw') => DatabaseStore.open(name);
