// The key: its card, the car, the large action.

import { html } from '../../shared/html.js';
import { offered } from '../model/action.js';
import { carOf } from '../model/car.js';
import { Drawing } from '../parts/drawing.js';
import { Facts } from '../parts/facts.js';
import { Icon } from '../parts/icon.js';
import { Tap } from '../parts/tap.js';
import { age, near, t } from '../words.js';

/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */

/** @param {{state: State, phone: Phone, now: number}} props */
export function Home({ state, phone, now }) {
  const mine = state.mine;
  if (!mine) return null;
  // What nobody knows to have happened may have changed what was heard just before.
  const car = carOf(state.signals, now, state.online && state.doing.phase !== 'unsure');
  const may = phone.may();
  const action = offered(car.lock.value, may);
  const blocked = blockedBy(mine, now);
  const others = ['unlock', 'lock', 'open_trunk', 'flash_lights'].filter((each) => may.has(each) && each !== action
    && (car.lock.value === null || !['lock', 'unlock'].includes(each)));
  return html`<div class="home">
    <section class="keycard" aria-label=${t(mine.role === 'owner' ? 'card.owner' : 'card.friend')} data-blocked=${blocked ?? ''}>
      <header class="keycard-head">
        <div><p class="keycard-kind"><${Icon} name="key" size=${20} /> ${t(mine.role === 'owner' ? 'card.owner' : 'card.friend')}</p>
          <p class="small">${endWords(mine, blocked, now)}</p></div>
        <${Way} state=${state} open=${() => phone.go('way')} />
      </header>
      <${Drawing} car=${car} />
      <p class="keycard-age small"><span id="age" data-quality=${car.quality}>${car.quality === 'unknown' ? t('car.never') : car.quality === 'live' ? t('car.live') : t('car.asof', { age: age(car.at, now) })}</span>
        <button class="chip slim" aria-label=${t('car.refresh')} onClick=${phone.refresh}><${Icon} name="again" size=${18} /></button></p>
    </section>
    <div class="home-side">
      <${Tap} doing=${state.doing} action=${action} blocked=${blocked} others=${others} tap=${phone.tap} remedy=${phone.remedy} />
      <${Facts} car=${car} now=${now} />
    </div>
  </div>`;
}

/** @param {import('../model/state.js').Mine} mine @param {number} now @returns {string | null} */
function blockedBy(mine, now) {
  if (mine.state === 'suspended') return 'action.suspended';
  if (mine.state === 'revoking' || mine.state === 'revoked') return 'action.revoked';
  return mine.state === 'expired' || Date.parse(mine.expires_at) <= now ? 'action.expired' : null;
}

/** @param {import('../model/state.js').Mine} mine @param {string | null} blocked @param {number} now */
function endWords(mine, blocked, now) {
  const when = near(Date.parse(mine.expires_at), now);
  if (blocked === 'action.suspended') return t('card.suspended');
  if (blocked === 'action.revoked') return t('card.revoked');
  return t(blocked ? 'card.ended' : 'card.until', { when });
}

/** Which way the next tap goes. @param {{state: State, open: () => void}} props */
function Way({ state, open }) {
  const way = state.way;
  const words = t(way ? `link.using.${way}` : 'link.none');
  return html`<button id="way" class="chip" data-way=${way ?? 'none'} aria-label=${`${t('link.choose')}: ${words}`} onClick=${open}>
    <${Icon} name=${way ?? 'offline'} size=${18} /> ${words}</button>`;
}
