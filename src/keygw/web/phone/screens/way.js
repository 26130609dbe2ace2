// The choice of the way to the car, with the reason where there is none.

import { html } from '../../shared/html.js';
import { Sheet } from '../parts/sheet.js';
import { Icon } from '../parts/icon.js';
import { explain, t } from '../words.js';

/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */

/** @param {{state: State, phone: Phone}} props */
export function WaySheet({ state, phone }) {
  const ways = /** @type {const} */ (['auto', 'bluetooth', 'relay']);
  const lacking = { bluetooth: () => explain(`bluetooth_${state.ways.bluetooth}`)[0], relay: () => t('link.relay.no') };
  return html`<${Sheet} title=${t('link.title')} close=${() => phone.go('key')} name="ways">
    <fieldset class="choices"><legend class="unseen">${t('link.choose')}</legend>
      ${ways.map((way) => {
        const there = way === 'auto' || state.ways[way] === 'ok';
        const hint = way === 'auto' ? t('link.auto.hint') : there ? '' : lacking[way]();
        return html`<label key=${way} class="choice"><input type="radio" name="way" value=${way} checked=${state.choice === way} disabled=${!there} onChange=${() => phone.choose(way)} />
          <${Icon} name=${way === 'auto' ? 'key' : way} />
          <span><strong>${t(`link.${way}`)}</strong><small class="soft">${hint}</small></span></label>`;
      })}
    </fieldset>
    ${state.ways.bluetooth !== 'ok' && html`<p class="hint">${t('link.why.bluetooth')}</p>`}
    <button class="primary wide" onClick=${() => phone.go('key')}>${t('done')}</button>
  <//>`;
}
