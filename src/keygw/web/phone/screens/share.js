// The share wizard: who, what, how long; then link, QR code and activation code, shown once.

import { html, useState } from '../../shared/html.js';
import { faultOf, FIRST, givable, MOST_NAME, pageLink, PROFILES, RIGHTS, SPANS } from '../model/share.js';
import { Icon } from '../parts/icon.js';
import { Qr } from '../parts/qr.js';
import { Sheet } from '../parts/sheet.js';
import { profileName, rightsLine, say, t } from '../words.js';
import { Pair } from './enter.js';

/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */
/** @import {Wish} from '../model/share.js' */

/** Which fields a step has: a fault of an earlier one never hides on a later one. */
const FIELDS = [['name'], ['profile'], ['until', 'custom']];

/** @param {{state: State, phone: Phone}} props */
export function ShareSheet({ state, phone }) {
  const [wish, setWish] = useState(/** @type {Wish} */ (FIRST));
  const [step, setStep] = useState(0);
  const [shown, setShown] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [refused, setRefused] = useState(/** @type {string | null} */ (null));
  const held = state.mine?.entitlements ?? [];
  const end = state.mine ? Date.parse(state.mine.expires_at) : Infinity;
  const change = (/** @type {Partial<Wish>} */ values) => {
    setWish({ ...wish, ...values });
    setShown(null);
  };
  const go = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const fault = faultOf(wish, Date.now(), end);
    if (fault && (step === 2 || FIELDS[step].includes(fault.field))) {
      setShown(t(fault.fault));
      return;
    }
    if (step < 2) {
      setStep(step + 1);
      return;
    }
    if (busy) return;
    setBusy(true);
    const answer = await phone.share(wish);
    setBusy(false);
    setRefused(answer.refused ?? null);
    if (answer.made) setMade(answer.made);
  };
  const close = () => phone.go('share');
  if (made) return html`<${Made} made=${made} name=${wish.name.trim()} close=${close} />`;
  if (refused === 'insufficient_user_authentication') return html`<${Sheet} title=${t('pair.again')} close=${close}><${Pair} phone=${{ ...phone, back: close }} again=${true} /><//>`;
  return html`<${Sheet} title=${t('share.new')} close=${close} name="share-sheet">
    <form class="stack" onSubmit=${go} noValidate>
      <p class="soft small" aria-live="polite">${t('share.step', { n: step + 1 })}</p>
      ${step === 0 && html`<h3>${t('share.who')}</h3><div><label for="who">${t('share.name')}</label>
        <input id="who" maxLength=${MOST_NAME} value=${wish.name} autoComplete="off" aria-invalid=${shown ? 'true' : 'false'} aria-describedby="who-hint" onInput=${(/** @type {any} */ event) => change({ name: event.target.value })} />
        <p class="hint" id="who-hint">${t('share.name.hint')}</p></div>`}
      ${step === 1 && html`<fieldset class="choices"><legend>${t('share.what')}</legend>
        ${PROFILES.filter((each) => givable(each, held)).map((each) => html`<label key=${each} class="choice"><input type="radio" name="profile" value=${each} checked=${wish.profile === each} onChange=${() => change({ profile: each })} />
          <span><strong>${profileName(each)}</strong><small class="soft">${rightsLine(RIGHTS[each])}</small></span></label>`)}</fieldset>`}
      ${step === 2 && html`<fieldset class="choices spans"><legend>${t('share.when')}</legend>
        ${Object.keys(SPANS).map((each) => html`<label key=${each} class="choice"><input type="radio" name="until" value=${each} checked=${wish.until === each} onChange=${() => change({ until: each })} /><span><strong>${t(`share.${each}`)}</strong></span></label>`)}</fieldset>
        ${wish.until === 'custom' ? html`<div><label for="day">${t('share.custom.day')}</label><input id="day" type="date" value=${wish.custom} onInput=${(/** @type {any} */ event) => change({ custom: event.target.value })} /></div>` : html`<p class="hint">${t('share.fromclaim')}</p>`}
        <label class="choice"><input type="checkbox" checked=${wish.code} onChange=${(/** @type {any} */ event) => change({ code: event.target.checked })} /><span><strong>${t('share.code')}</strong><small class="soft">${t('share.code.hint')}</small></span></label>`}
      ${shown && html`<p class="fault" role="alert" id="fault">${shown}</p>`}
      ${refused && html`<div class="note refused" role="alert" id="fault"><strong>${t('share.failed')}</strong><p>${say(refused)}</p></div>`}
      <div class="stack tight"><button class="primary wide" type="submit" aria-disabled=${busy ? 'true' : 'false'}>${busy ? `${t('share.making')}\u2026` : t(step === 2 ? 'share.make' : 'next')}</button>
        ${step > 0 && html`<button class="quiet wide" type="button" onClick=${() => setStep(step - 1)}>${t('back')}</button>`}</div>
    </form>
  <//>`;
}

/** @param {{made: {link: string, activation_code: string | null}, name: string, close: () => void}} props */
function Made({ made, name, close }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(made.link);
      setCopied(true);
    } catch {
      setCopied(false); // forbidden: the link can be marked and copied by hand
    }
  };
  return html`<${Sheet} title=${t('share.ready', { name })} close=${close} name="made">
    <${Qr} text=${pageLink(made.link)} label=${t('share.qr')} />
    <p class="soft small center">${t('share.scan')}</p>
    ${made.activation_code && html`<div class="secret"><p class="small">${t('share.secret')}</p><p class="secret-digits" id="activation-code">${made.activation_code.slice(0, 3)} ${made.activation_code.slice(3)}</p><p class="hint">${t('share.secret.hint')}</p></div>`}
    <div><label for="made-link">${t('share.link')}</label>
      <div class="row nowrap"><input id="made-link" class="mono" readOnly value=${made.link} onFocus=${(/** @type {any} */ event) => event.target.select()} /><button type="button" aria-label=${t('copy')} onClick=${copy}><${Icon} name=${copied ? 'check' : 'copy'} /></button></div>
      <p class="hint" role="status">${copied ? t('copied') : t('share.once')}</p></div>
    ${'share' in navigator && html`<button class="wide" onClick=${() => navigator.share({ url: pageLink(made.link) }).catch(() => null)}>${t('share.send')}</button>`}
    <button class="primary wide" onClick=${close}>${t('done')}</button>
  <//>`;
}
