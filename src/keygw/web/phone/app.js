// The frame around the screens: where we are, what is offline, and what is read out.

import { Component, html, useEffect, useState } from '../shared/html.js';
import { Icon } from './parts/icon.js';
import { Activity } from './screens/activity.js';
import { Accept, Pair, Welcome } from './screens/enter.js';
import { Home } from './screens/home.js';
import { Languages, LostSheet, More, RemoveSheet } from './screens/more.js';
import { People } from './screens/people.js';
import { ShareSheet } from './screens/share.js';
import { WaySheet } from './screens/way.js';
import { age, onLanguage, say, t } from './words.js';

/** @import {Phone} from './phone.js' */
/** @import {State} from './model/state.js' */

const TABS = /** @type {const} */ (['key', 'share', 'activity', 'more']);
/** A sheet stands on the tab behind it. @type {Record<string, string>} */
const BEHIND = { way: 'key', 'share-new': 'share', lost: 'more', remove: 'more' };
const LOOK_MS = 15_000;

/** @param {{phone: Phone}} props */
export function App({ phone }) {
  const [state, setState] = useState(phone.state());
  const [now, setNow] = useState(Date.now());
  const [, setTold] = useState(0);
  useEffect(() => {
    const ends = [phone.onState((/** @type {State} */ next) => { setState(next); setNow(Date.now()); }), onLanguage(() => setTold((/** @type {number} */ n) => n + 1))];
    const timer = setInterval(() => setNow(Date.now()), LOOK_MS);
    return () => { clearInterval(timer); ends.forEach((end) => end()); };
  }, []);
  useEffect(() => { document.title = state.mine ? `${state.mine.name} \u2013 ${t('app')}` : t('app'); });
  return html`<${Guard}><a class="skip" href="#main">${t('skip')}</a>
    ${state.simulator && html`<aside class="banner simulator" aria-label=${t('simulator')}>${t('simulator')}</aside>`}<${Frame} state=${state} phone=${phone} now=${now} /><//>`;
}

/** @param {{state: State, phone: Phone, now: number}} props */
function Frame({ state, phone, now }) {
  const { phase, place } = state;
  if (phase === 'broken') return html`<${Broken} code=${state.fault ?? 'other'} />`;
  if (phase === 'opening') return html`<main id="main" class="center-stage" aria-busy="true"><p class="soft" role="status">${t('loading')}\u2026</p></main>`;
  const entering = phase === 'welcome' || ['welcome', 'pair', 'accept'].includes(place);
  if (entering) {
    return html`<div class="frame entering"><${Offline} state=${state} now=${now} />
      <main id="main">${place === 'pair' ? html`<${Pair} phone=${phone} />` : place === 'accept' ? html`<${Accept} phone=${phone} link=${phone.link()} />` : html`<${Welcome} phone=${phone} />`}
        ${place !== 'pair' && place !== 'accept' && html`<${Languages} />`}</main></div>`;
  }
  const tab = BEHIND[place] ?? place;
  return html`<div class="frame">
    <header class="top"><${Title} state=${state} phone=${phone} /></header>
    <${Offline} state=${state} now=${now} />
    <nav class="tabs" aria-label=${t('tabs')}>${TABS.map((each) => html`<a key=${each} href=${`#/${each}`} aria-current=${tab === each ? 'page' : null}><${Icon} name=${each} /><span>${t(`tab.${each}`)}</span></a>`)}</nav>
    <main id="main" tabIndex=${-1}>
      ${state.told && html`<p class="note" role="status">${t(state.told, { name: state.mine?.name ?? '' })}</p>`}
      ${tab === 'key' && html`<${Home} state=${state} phone=${phone} now=${now} />`}
      ${tab === 'share' && html`<${People} state=${state} phone=${phone} now=${now} />`}
      ${tab === 'activity' && html`<${Activity} state=${state} now=${now} />`}
      ${tab === 'more' && html`<${More} state=${state} phone=${phone} now=${now} />`}
    </main>
    ${place === 'way' && html`<${WaySheet} state=${state} phone=${phone} />`}
    ${place === 'share-new' && html`<${ShareSheet} state=${state} phone=${phone} />`}
    ${place === 'lost' && html`<${LostSheet} state=${state} phone=${phone} now=${now} />`}
    ${place === 'remove' && html`<${RemoveSheet} state=${state} phone=${phone} />`}
  </div>`;
}

/** The car's name; a choice where there are several. @param {{state: State, phone: Phone}} props */
function Title({ state, phone }) {
  if (state.keys.length < 2) return html`<h1 class="top-name">${state.mine?.name}</h1>`;
  return html`<h1 class="unseen">${state.mine?.name}</h1><label class="unseen" for="car">${t('card.switch')}</label>
    <select id="car" class="top-name" value=${state.mine?.vehicleId} onChange=${(/** @type {any} */ event) => phone.chooseCar(event.target.value)}>
      ${state.keys.map((each) => html`<option key=${each.vehicleId} value=${each.vehicleId}>${each.name}</option>`)}</select>`;
}

/** @param {{state: State, now: number}} props */
function Offline({ state, now }) {
  const loaded = state.loaded === null ? t('offline.never') : t(state.mine && state.ways.bluetooth === 'ok' ? 'offline.key' : 'offline.nokey', { age: age(state.loaded, now) });
  return html`<div role="status" aria-live="polite">${!state.online && html`<p class="offline" id="offline"><${Icon} name="offline" size=${20} /> <span><strong>${t('offline')}</strong> ${state.phase === 'ready' ? loaded : ''}</span></p>`}</div>`;
}

/** @param {{code: string}} props */
function Broken({ code }) {
  const browser = code === 'browser';
  return html`<main id="main" class="center-stage"><div class="card stack"><h1>${t(browser ? 'error.browser' : 'error.title')}</h1>
    <p>${browser ? t('error.browser.lead') : t('error.lead')}</p>${!browser && html`<p class="soft small">${say(code)}</p>`}
    <button class="primary wide" onClick=${() => location.reload()}>${t('error.reload')}</button></div></main>`;
}

/** A mistake in one screen leaves a page that says so, not a blank one. */
class Guard extends Component {
  /** @param {unknown} error */
  componentDidCatch(error) {
    console.error(error);
    this.setState({ broken: true });
  }

  /** @returns {any} */
  render() {
    const { state, props } = /** @type {any} */ (this);
    return state.broken ? html`<${Broken} code="other" />` : props.children;
  }
}
