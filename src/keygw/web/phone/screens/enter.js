// First use: pair as owner by the code that the car shows, or take a key that somebody has sent.

import { html, useEffect, useState } from '../../shared/html.js';
import { readLink } from '../model/share.js';
import { Icon } from '../parts/icon.js';
import { near, profileName, rightsLine, say, span, t } from '../words.js';

/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */

/** @param {{phone: Phone}} props */
export function Welcome({ phone }) {
  return html`<div class="enter">
    <div class="welcome-art" aria-hidden="true"><${Icon} name="key" size=${72} /></div>
    <h1>${t('welcome.title')}</h1>
    <p class="soft">${t('welcome.lead')}</p>
    <div class="stack">
      <button class="primary wide door" id="to-pair" onClick=${() => phone.go('pair')}><strong>${t('welcome.pair')}</strong><small>${t('welcome.pair.lead')}</small></button>
      <button class="wide door" id="to-accept" onClick=${() => phone.go('accept')}><strong>${t('welcome.accept')}</strong><small>${t('welcome.accept.lead')}</small></button>
    </div>
  </div>`;
}

const DIGITS = 8;
/** @param {string} text */
const digits = (text) => text.replace(/\D/g, '');

/** @param {{phone: Phone, again?: boolean}} props `again`: only to be seen once more, the car has a name already */
export function Pair({ phone, again = false }) {
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const [step, setStep] = useState(/** @type {string | null} */ (null));
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const whole = digits(code).length === DIGITS;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (step) return;
    if (!whole) {
      setFault(t('pair.short'));
      return;
    }
    setFault(null);
    const refused = await phone.pair(digits(code), name.trim() || t('pair.name.default'), setStep, again);
    setStep(null);
    if (refused) {
      setFault(say(refused));
      setCode('');
    }
  };
  return html`<form class="enter" onSubmit=${submit} noValidate aria-label=${t(again ? 'pair.again' : 'pair.title')}>
    <h1>${t(again ? 'pair.again' : 'pair.title')}</h1>
    <p class="soft">${t(again ? 'pair.again.lead' : 'pair.how')}</p>
    <div><label for="code">${t('pair.code')}</label>
      <input id="code" class="digits" inputMode="numeric" autoComplete="one-time-code" maxLength=${9} value=${code} placeholder="0000 0000" disabled=${Boolean(step)}
        aria-invalid=${fault ? 'true' : 'false'} aria-describedby="code-hint" onInput=${(/** @type {any} */ event) => setCode(grouped(event.target.value))} />
      <p class="hint" id="code-hint">${t('pair.code.hint')}</p></div>
    ${!again && html`<div><label for="name">${t('pair.name')}</label>
      <input id="name" maxLength=${40} value=${name} placeholder=${t('pair.name.default')} disabled=${Boolean(step)} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></div>`}
    ${fault && html`<div class="note refused" role="alert" id="fault"><strong>${t('pair.failed')}</strong><p>${fault}</p></div>`}
    <${Progress} steps=${['register', 'prove', 'key', 'fetch'].map((each) => `pair.step.${each}`)} step=${step && `pair.step.${step}`} lead=${t('pair.stay')} />
    <button class="primary wide" type="submit" aria-disabled=${step ? 'true' : 'false'}>${step ? `${t(`pair.step.${step}`)}\u2026` : t('pair.go')}</button>
    ${!step && html`<button class="quiet wide" type="button" onClick=${phone.back}>${t('back')}</button>`}
  </form>`;
}

/** @param {string} text @returns {string} as the car shows it: in two halves */
const grouped = (text) => digits(text).slice(0, DIGITS).replace(/^(\d{4})(\d)/, '$1 $2');

/** What is happening, step by step: what is done is ticked, what comes is grey. @param {{steps: string[], step: string | null, lead: string}} props */
function Progress({ steps, step, lead }) {
  const place = step ? steps.indexOf(step) : -1;
  return html`<div role="status" aria-live="polite">${step && html`<div class="note waiting">
    <ol class="progress">${steps.map((each, at) => html`<li key=${each} data-how=${at < place ? 'past' : at === place ? 'now' : 'next'}>
      <${Icon} name=${at < place ? 'check' : 'wait'} size=${20} />${t(each)}</li>`)}</ol><p class="small">${lead}</p></div>`}</div>`;
}

/** @param {{phone: Phone, link: {id: string, secret: string} | null}} props */
export function Accept({ phone, link }) {
  const [text, setText] = useState('');
  const [offer, setOffer] = useState(/** @type {any} */ (null));
  const [code, setCode] = useState('');
  const [stage, setStage] = useState(/** @type {'idle' | 'looking' | 'claiming' | 'waiting' | 'declined'} */ ('idle'));
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const [open, setOpen] = useState(link);
  useEffect(() => {
    if (!open) return;
    setStage('looking');
    phone.look(open).then((/** @type {any} */ found) => {
      setStage('idle');
      if (found.refused) setFault(say(found.refused));
      else setOffer(found.offer);
    });
  }, [open]);
  const read = (/** @type {Event} */ event) => {
    event.preventDefault();
    const found = readLink(text);
    setFault(found ? null : t('accept.bad'));
    if (found) setOpen(found);
  };
  const claim = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (stage === 'claiming' || !open) return;
    if (offer.needs_activation_code && digits(code).length !== 6) {
      setFault(t('accept.code.short'));
      return;
    }
    setFault(null);
    setStage('claiming');
    const got = await phone.claim(open, offer.needs_activation_code ? digits(code) : null);
    setStage(got.waiting ? 'waiting' : 'idle');
    if (got.refused) setFault(say(got.refused));
  };
  const decline = async () => {
    const refused = open ? await phone.decline(open) : null;
    if (refused) setFault(say(refused));
    else setStage('declined');
  };
  if (stage === 'declined') return html`<div class="enter"><h1>${t('accept.title')}</h1><div class="note" role="status">${t('accept.declined')}</div><button class="primary wide" onClick=${phone.back}>${t('done')}</button></div>`;
  if (stage === 'waiting') return html`<div class="enter"><h1>${t('accept.title')}</h1><div class="note waiting" role="status"><strong>${t('accept.waiting')}</strong><p>${t('accept.waiting.lead')}</p></div></div>`;
  if (!offer) {
    return html`<form class="enter" onSubmit=${read} noValidate aria-label=${t('accept.title')}><h1>${t('accept.title')}</h1>
      <div role="status" aria-live="polite">${stage === 'looking' && html`<p class="note waiting">${t('accept.looking')}\u2026</p>`}</div>
      ${stage !== 'looking' && html`<div><label for="link">${t('accept.paste')}</label>
        <input id="link" value=${text} autoComplete="off" autoCapitalize="off" spellCheck=${false} aria-invalid=${fault ? 'true' : 'false'} aria-describedby="link-hint" onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
        <p class="hint" id="link-hint">${t('accept.paste.hint')}</p></div>
      ${fault && html`<div class="note refused" role="alert" id="fault">${fault}</div>`}
      <button class="primary wide" type="submit">${t('accept.open')}</button>`}
      <button class="quiet wide" type="button" onClick=${phone.back}>${t('back')}</button></form>`;
  }
  return html`<form class="enter" onSubmit=${claim} noValidate aria-label=${t('accept.title')}>
    <h1>${t('accept.title')}</h1>
    <dl class="card offer">
      <div><dt>${t('accept.car')}</dt><dd><strong>${offer.vehicle_name}</strong></dd></div>
      <div><dt>${t('accept.rights')}</dt><dd>${profileName(offer.profile)}<br /><small class="soft">${rightsLine(offer.entitlements)}</small></dd></div>
      <div>${offer.key_expires_at ? html`<dt>${t('accept.until')}</dt><dd>${near(Date.parse(offer.key_expires_at), Date.now())}</dd>` : html`<dt>${t('accept.for')}</dt><dd>${span(offer.key_lifetime_seconds ?? 0)}</dd>`}</div>
    </dl>
    ${offer.needs_activation_code && html`<div><label for="activation">${t('accept.code')}</label>
      <input id="activation" class="digits" inputMode="numeric" autoComplete="one-time-code" maxLength=${6} value=${code} placeholder="000000" aria-invalid=${fault ? 'true' : 'false'} aria-describedby="activation-hint"
        onInput=${(/** @type {any} */ event) => setCode(digits(event.target.value))} />
      <p class="hint" id="activation-hint">${t('accept.code.hint')}${offer.tries_left !== null && offer.tries_left < 5 ? ` \u00b7 ${t('accept.tries', { n: offer.tries_left })}` : ''}</p></div>`}
    ${fault && html`<div class="note refused" role="alert" id="fault"><strong>${t('accept.failed')}</strong><p>${fault}</p></div>`}
    <div class="stack tight"><button class="primary wide" type="submit" aria-disabled=${stage === 'claiming' ? 'true' : 'false'}>${stage === 'claiming' ? `${t('accept.claiming')}\u2026` : t('accept.claim')}</button>
      <button class="wide" type="button" onClick=${decline}>${t('accept.decline')}</button></div>
    <p class="hint">${t('accept.once')}</p>
  </form>`;
}
