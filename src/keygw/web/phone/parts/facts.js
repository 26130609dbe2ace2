// What is known of the car, in words: beside the drawing, and for who does not see it.

import { html } from '../../shared/html.js';
import { age, t } from '../words.js';

/** @import {Car, Fact, Group} from '../model/car.js' */

/** @param {{car: Car, now: number}} props */
export function Facts({ car, now }) {
  return html`<dl class="facts" aria-label=${t('car.title')}>
    ${row('lock', car.lock.value === null ? null : t(car.lock.value ? 'car.locked' : 'car.unlocked'), car.lock.quality, car.lock.at, now)}
    ${row('doors', groupWords(car.doors, 4), car.doors.quality, car.doors.at, now)}
    ${row('trunk', car.trunk.value === null ? null : t(car.trunk.value ? 'car.open' : 'car.closed'), car.trunk.quality, car.trunk.at, now)}
    ${row('windows', groupWords(car.windows, 4), car.windows.quality, car.windows.at, now)}
    ${car.charge.value === null ? null : row('charge', `${Math.round(car.charge.value)}\u00a0%`, car.charge.quality, car.charge.at, now)}
  </dl>`;
}

/** @param {string} name @param {string | null} value @param {string} quality @param {number | null} at @param {number} now */
function row(name, value, quality, at, now) {
  const stale = value !== null && quality === 'stale';
  return html`<div class=${stale ? 'fact stale' : 'fact'} id=${`fact-${name}`} data-quality=${value === null ? 'unknown' : quality}>
    <dt>${t(`car.${name}`)}</dt>
    <dd>${value ?? html`<span aria-hidden="true">${t('car.dash')}</span><span class="unseen">${t('car.dash.says')}</span>`}
      ${stale && html`<small class="fact-age">${age(at, now)}</small>`}</dd>
  </div>`;
}

/** @param {Group} group @param {number} all */
function groupWords(group, all) {
  if (group.open.length) return `${t('car.open')}: ${group.open.map((name) => t(name)).join(t('list.join'))}`;
  if (group.all) return t('car.closed');
  return group.known ? t('car.some', { n: group.known, all }) : null;
}
