// The car from above, front at the top. Each part has an id and says its state in an attribute; the style moves it.

import { html } from '../../shared/html.js';
import { t } from '../words.js';

/** @import {Car, Fact} from '../model/car.js' */

const LEFT = 'M51 141 L69 159 L69 225 L51 225 Z';
const LEFT_REAR = 'M51 229 L69 229 L69 291 L53 309 Z';
const RIGHT = 'M169 141 L151 159 L151 225 L169 225 Z';
const RIGHT_REAR = 'M169 229 L151 229 L151 291 L167 309 Z';
/** @type {[string, string, string][]} part, outline, window */
const SIDES = [
  ['fl', LEFT, 'M62 160 L67 165 L67 221 L62 221 Z'], ['rl', LEFT_REAR, 'M62 233 L67 233 L67 288 L62 294 Z'],
  ['fr', RIGHT, 'M158 160 L153 165 L153 221 L158 221 Z'], ['rr', RIGHT_REAR, 'M158 233 L153 233 L153 288 L158 294 Z'],
];
const BODY = 'M110 16 C138 16 158 24 164 46 C168 62 170 90 170 120 L170 310 C170 345 168 372 162 388 C156 402 136 406 110 406 '
  + 'C84 406 64 402 58 388 C52 372 50 345 50 310 L50 120 C50 90 52 62 56 46 C62 24 82 16 110 16 Z';

/** @param {Fact} fact */
const stateOf = (fact) => (fact.value === null ? 'unknown' : fact.value ? 'open' : 'closed');

/** @param {{car: Car}} props */
export function Drawing({ car }) {
  const { parts } = car;
  const lock = car.lock.value === null ? 'unknown' : car.lock.value ? 'locked' : 'unlocked';
  return html`<svg class="car" viewBox="0 0 220 424" role="img" aria-label=${t('car.drawing')} data-quality=${car.quality}>
    <g class="car-wheels"><rect x="40" y="66" width="18" height="48" rx="7" /><rect x="162" y="66" width="18" height="48" rx="7" />
      <rect x="40" y="306" width="18" height="48" rx="7" /><rect x="162" y="306" width="18" height="48" rx="7" /></g>
    <path class="car-mirror" d="M52 138 C40 134 32 138 33 146 C38 150 48 150 52 146 Z" />
    <path class="car-mirror" d="M168 138 C180 134 188 138 187 146 C182 150 172 150 168 146 Z" />
    <path id="car-body" class="car-body" d=${BODY} />
    <path class="car-sill" d="M51 141 L69 159 L69 291 L53 309 Z" /><path class="car-sill" d="M169 141 L151 159 L151 291 L167 309 Z" />
    <path id="car-bonnet" class="car-part" data-state=${stateOf(parts.bonnet)} d="M64 54 C80 36 140 36 156 54 L158 112 C140 102 80 102 62 112 Z" />
    <path class="car-glass" d="M64 118 C82 106 138 106 156 118 L148 158 C132 152 88 152 72 158 Z" />
    <rect class="car-roof" x="72" y="160" width="76" height="132" rx="14" />
    <path class="car-glass" d="M72 296 C88 302 132 302 148 296 L154 332 C136 342 84 342 66 332 Z" />
    <path class="car-bay" d="M66 340 C84 350 136 350 154 340 L152 386 C140 396 80 396 68 386 Z" />
    <path id="car-trunk" class="car-part" data-state=${stateOf(car.trunk)} d="M66 340 C84 350 136 350 154 340 L152 386 C140 396 80 396 68 386 Z" />
    ${SIDES.map(([place, outline, glass]) => html`<g id=${`car-door-${place}`} class="car-door" data-state=${stateOf(parts[`door-${place}`])}>
      <path class="car-part" d=${outline} /><path id=${`car-window-${place}`} class="car-window" data-state=${stateOf(parts[`window-${place}`])} d=${glass} /></g>`)}
    <g id="car-lights" class="car-lights" data-state=${car.hazard.value ? 'on' : 'off'}>
      <path d="M60 44 C64 34 72 28 80 26 L82 34 C74 38 68 42 64 50 Z" /><path d="M160 44 C156 34 148 28 140 26 L138 34 C146 38 152 42 156 50 Z" />
      <path d="M60 384 L70 390 L82 396 L78 400 C70 398 63 394 60 388 Z" /><path d="M160 384 L150 390 L138 396 L142 400 C150 398 157 394 160 388 Z" /></g>
    <g id="car-lock" class="car-lock" data-state=${lock} transform="translate(110 226)">
      <circle r="27" />
      ${lock === 'unknown' ? html`<path class="car-glyph" d="M-9 0 H9" />` : html`<path class="car-glyph" d="M-10 -1 H10 V12 H-10 Z" />
        <path class="car-glyph" d=${lock === 'locked' ? 'M-6 -1 V-6 a6 6 0 0 1 12 0 V-1' : 'M-6 -1 V-8 a6 6 0 0 1 11.5 -2.4'} />`}
    </g>
  </svg>`;
}
