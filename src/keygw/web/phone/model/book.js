// The one value that the page shows, and who is told when it changes.

import { reduce, START } from './state.js';

/** @import {Change, State} from './state.js' */
/** @typedef {ReturnType<typeof makeBook>} Book */

export function makeBook() {
  /** @type {State} */
  let state = START;
  /** @type {Set<(state: State) => void>} */
  const listeners = new Set();
  const make = (/** @type {Change} */ change) => {
    state = reduce(state, change);
    for (const listener of listeners) listener(state);
  };
  return {
    state: () => state,
    make,
    set: (/** @type {Partial<State>} */ values) => make({ type: 'set', values }),
    onState: (/** @type {(state: State) => void} */ listener) => { listeners.add(listener); return () => listeners.delete(listener); },
  };
}
