/** A list of any length in a screenful of rows: those that are seen, and a few more. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../shared/html.js";

export const ROW = 28;
const MORE = 4;

/**
 * @param {{
 *   items: any[], label: string, chosen: number, onChoose: (place: number) => void, onOpen: () => void, row: (item: any) => unknown,
 *   onCopy: () => void, id: string,
 * }} props `chosen` is a place, -1 for none: then the list stays at its end
 */
export function Rows({ items, label, chosen, onChoose, onOpen, onCopy, row, id }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const atEnd = useRef(true);
  useEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    const watching = new ResizeObserver(() => setSeen((/** @type {any} */ before) => ({ ...before, height: element.clientHeight })));
    watching.observe(element);
    return () => watching.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (box.current);
    if (atEnd.current && chosen < 0) {
      element.scrollTop = element.scrollHeight;
    }
  }, [items, items.length, chosen]);
  const show = (/** @type {number} */ place) => {
    const element = /** @type {HTMLElement} */ (box.current);
    if (place * ROW < element.scrollTop) {
      element.scrollTop = place * ROW;
    } else if ((place + 1) * ROW > element.scrollTop + element.clientHeight) {
      element.scrollTop = (place + 1) * ROW - element.clientHeight;
    }
  };
  const choose = (/** @type {number} */ place) => {
    const to = Math.max(0, Math.min(items.length - 1, place));
    onChoose(to);
    show(to);
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const page = Math.max(1, Math.floor(seen.height / ROW) - 1);
    const now = chosen < 0 ? items.length - 1 : chosen;
    const to = {
      ArrowDown: chosen < 0 ? now : now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: items.length - 1,
    }[/** @type {"Home"} */ (event.key)];
    if (to !== undefined && items.length > 0) {
      choose(to);
    } else if (event.key === "Enter" && chosen >= 0) {
      onOpen();
    } else if (event.key === "c" && !event.ctrlKey && !event.metaKey && chosen >= 0) {
      onCopy();
    } else if (event.key === "Escape") {
      onChoose(-1);
      atEnd.current = true;
    } else {
      return;
    }
    event.preventDefault();
  };
  const first = Math.max(0, Math.min(Math.floor(seen.top / ROW) - MORE, items.length));
  const rows = items.slice(first, first + Math.ceil(seen.height / ROW) + 2 * MORE);
  return html`<div class="rows" ref=${box} role="listbox" tabindex="0" aria-label=${label} id=${id}
    aria-activedescendant=${chosen >= first && chosen < first + rows.length ? `${id}-${chosen}` : undefined}
    onKeyDown=${onKey}
    onScroll=${(/** @type {any} */ event) => {
      const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
      atEnd.current = scrollTop + clientHeight >= scrollHeight - ROW;
      setSeen((/** @type {any} */ before) => (Math.abs(before.top - scrollTop) < 1 ? before : { ...before, top: scrollTop }));
    }}>
    <div class="tall" role="presentation" style=${{ height: `${items.length * ROW}px` }}>
      ${rows.map((/** @type {any} */ item, /** @type {number} */ place) => html`<div key=${item.s} class="line ${item.word} ${item.whole ? "" : "piece"}" role="option"
        id=${`${id}-${first + place}`} aria-selected=${first + place === chosen} aria-posinset=${first + place + 1} aria-setsize=${items.length}
        style=${{ transform: `translateY(${(first + place) * ROW}px)` }}
        onClick=${() => { choose(first + place); onOpen(); }}>${row(item)}</div>`)}
    </div>
  </div>`;
}
