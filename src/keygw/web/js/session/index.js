// The shared session: what pages and tests import.

export { Session } from './session.js';
