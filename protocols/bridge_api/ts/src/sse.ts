/** Server-sent events, received (HTML Living Standard, section 9.2.6). Bytes in, events out; no IO. */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  /** The last one seen so far on the stream, for `Last-Event-ID`. */
  readonly id: string;
}

/** Characters of one unfinished event; a server that sends more is not ours. */
const MAX_PENDING = 1 << 20;

/** `feed` it chunks as they arrive, cut anywhere. */
export class EventReader {
  private readonly decoder = new TextDecoder("utf-8"); // which takes a byte order mark away
  private pending = "";
  private size = 0;
  private type = "";
  private data: string[] = [];
  private id: string;

  constructor(public lastId: string = "") {
    this.id = lastId;
  }

  /** The events that this chunk completes. `RangeError` if one grows without end. */
  feed(chunk: Uint8Array): ServerEvent[] {
    this.pending += this.decoder.decode(chunk, { stream: true });
    // A CR at the very end may be half of a CRLF: it waits for what follows.
    const held = this.pending.endsWith("\r");
    const lines = (held ? this.pending.slice(0, -1) : this.pending).split(/\r\n|\r|\n/);
    this.pending = (lines.pop() ?? "") + (held ? "\r" : "");
    const events = lines.map((line) => this.line(line)).filter((event) => event !== undefined);
    if (this.pending.length + this.size > MAX_PENDING) {
      throw new RangeError("the event stream sends an event without end");
    }
    return events;
  }

  private line(line: string): ServerEvent | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") {
      this.data.push(value);
      this.size += value.length + 1;
    } else if (name === "event") {
      this.type = value;
    } else if (name === "id" && !value.includes("\0")) {
      this.id = value;
    }
    return undefined;
  }

  private dispatch(): ServerEvent | undefined {
    const { data, type } = this;
    this.data = [];
    this.type = "";
    this.size = 0;
    this.lastId = this.id;
    return data.length > 0 ? { type: type || "message", data: data.join("\n"), id: this.lastId } : undefined;
  }
}
