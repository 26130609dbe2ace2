// Line icons of one hand: 24 by 24, drawn in the colour of the text.

import { html } from '../../shared/html.js';

const PATHS = {
  key: 'M7 17a5 5 0 1 0 0-10 5 5 0 0 0 0 10M12 12h10v4M18 12v3',
  share: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 20c.6-4 3-6 6.5-6s5.9 2 6.5 6M18 8v6M15 11h6',
  activity: 'M12 7v5l3 2M12 21a9 9 0 1 0-9-9M3 6v6h6',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 15v2',
  unlock: 'M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 6.7-1.4M12 15v2',
  open_trunk: 'M3 16v-3l3-1 3-4h6M3 16h2M9 16h6M7 18a2 2 0 1 0 0-4 2 2 0 0 0 0 4M17 18a2 2 0 1 0 0-4 2 2 0 0 0 0 4M15 8l5-4M15 8v4l4 1v3',
  flash_lights: 'M11 6H9a6 6 0 0 0 0 12h2zM14 8l7-2M14 12h7M14 16l7 2',
  start_engine: 'M12 4v7M7.5 7a7 7 0 1 0 9 0',
  bluetooth: 'M7 8l10 8-5 4V4l5 4-10 8',
  relay: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18',
  offline: 'M3 3l18 18M8.5 16a5 5 0 0 1 7 0M5 12.5a10 10 0 0 1 4-2.4M12.5 9.6a10 10 0 0 1 6.5 2.9M12 20h.01',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  again: 'M20 5v5h-5M20 10a8.5 8.5 0 1 0 .5 4',
  right: 'M9 5l7 7-7 7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  cross: 'M7 7l10 10M17 7L7 17',
  wait: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  plus: 'M12 5v14M5 12h14',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  phone: 'M7 3h10v18H7zM11 18h2',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
};

/** @param {{name: keyof typeof PATHS | string, size?: number}} props */
export function Icon({ name, size = 24 }) {
  const path = PATHS[/** @type {keyof typeof PATHS} */ (name)] ?? PATHS.more;
  return html`<svg class="icon" viewBox="0 0 24 24" width=${size} height=${size} aria-hidden="true" focusable="false">
    <path d=${path} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
  </svg>`;
}
