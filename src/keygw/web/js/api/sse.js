// Server-sent events, received (HTML Living Standard, 9.2.6). Bytes in, events out.

const MOST_PENDING = 1 << 20;

/** @typedef {{type: string, data: string, id: string}} ServerEvent */

export class EventReader {
  #decoder = new TextDecoder();
  #pending = '';
  #type = '';
  /** @type {string[]} */
  #data = [];
  #size = 0;
  #id;

  /** @param {string} [lastId] */
  constructor(lastId = '') {
    this.lastId = this.#id = lastId;
  }

  /** The events that this chunk completes. @param {Uint8Array} chunk cut anywhere @returns {ServerEvent[]} @throws {RangeError} one without end */
  feed(chunk) {
    this.#pending += this.#decoder.decode(chunk, { stream: true });
    const held = this.#pending.endsWith('\r'); // half of a CRLF, perhaps
    const lines = (held ? this.#pending.slice(0, -1) : this.#pending).split(/\r\n|\r|\n/);
    this.#pending = (lines.pop() ?? '') + (held ? '\r' : '');
    const events = lines.flatMap((line) => this.#line(line) ?? []);
    if (this.#pending.length + this.#size > MOST_PENDING) throw new RangeError('an event without end');
    return events;
  }

  /** @param {string} line @returns {ServerEvent | null} */
  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') {
      this.#data.push(value);
      this.#size += value.length + 1;
    } else if (name === 'event') this.#type = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }

  #dispatch() {
    const [data, type] = [this.#data, this.#type];
    [this.#data, this.#type, this.#size, this.lastId] = [[], '', 0, this.#id];
    return data.length ? { type: type || 'message', data: data.join('\n'), id: this.lastId } : null;
  }
}
