// What this phone keeps, in the browser's own database: names and values, keys among them that nobody can read out.

const NAME = 'keygw-phone';
const SHELF = 'kept';
/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} */
function database() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(SHELF);
    asked.onerror = () => reject(asked.error);
    asked.onsuccess = () => {
      asked.result.onversionchange = () => asked.result.close(); // a newer page in another tab goes first
      resolve(asked.result);
    };
  });
  return opened;
}

/** @param {IDBTransactionMode} mode @param {(shelf: IDBObjectStore) => IDBRequest} ask @returns {Promise<any>} */
async function within(mode, ask) {
  const transaction = (await database()).transaction(SHELF, mode, mode === 'readwrite' ? { durability: 'strict' } : {});
  const asked = ask(transaction.objectStore(SHELF));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {string} name @returns {Promise<any>} undefined if there is none */
export const get = (name) => within('readonly', (shelf) => shelf.get(name));
/** Durable when it returns. @param {string} name @param {unknown} value */
export const put = (name, value) => within('readwrite', (shelf) => shelf.put(value, name));
/** @param {string} name */
export const drop = (name) => within('readwrite', (shelf) => shelf.delete(name));

/** One tab at a time. @template T @param {string} name @param {() => Promise<T>} act @returns {Promise<T>} */
export const alone = async (name, act) => await navigator.locks.request(`keygw.${name}`, act);

/** A P-256 pair whose private half never leaves WebCrypto, made at the first use. @param {string} name @returns {Promise<CryptoKeyPair>} */
export const pair = (name) => alone(name, async () => {
  const known = await get(name);
  if (known) return known;
  const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  await put(name, made);
  return made;
});
