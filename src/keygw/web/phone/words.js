// The words of this page, and what is made of them: spans of time, rights, names of parts.

import { ago, clock, language, moment, words } from '../shared/i18n.js';
import { EN } from './words/en.js';
import { SAYS_EN, WHY_EN } from './words/en_why.js';
import { ZH } from './words/zh.js';
import { SAYS_ZH, WHY_ZH } from './words/zh_why.js';

export { ago, clock, language, moment, onLanguage, speak } from '../shared/i18n.js';

export const TABLES = Object.freeze({ en: EN, 'zh-CN': ZH });
export const t = words(TABLES);

/** What happened, and what to do. @param {string} code of `model/why.js` @returns {[string, string]} */
export const explain = (code) => (language() === 'zh-CN' ? WHY_ZH : WHY_EN)[code] ?? explain('other');

/** One sentence for a refused request. @param {string} code */
export function say(code) {
  const [says, why] = language() === 'zh-CN' ? [SAYS_ZH, WHY_ZH] : [SAYS_EN, WHY_EN];
  return says[code] ?? (why[code] ? why[code].join(language() === 'zh-CN' ? '' : ' ') : says.other.replace('{code}', code));
}

/** @param {readonly string[]} rights entitlements @returns {string} one line */
export function rightsLine(rights) {
  const told = rights.map((right) => (`right.${right}` in EN ? t(`right.${right}`) : right));
  return new Intl.ListFormat(language(), { type: 'conjunction', style: 'long' }).format(told);
}

/** @param {string | null} profile */
export const profileName = (profile) => t(profile && `profile.${profile}` in EN ? `profile.${profile}` : 'profile.none');

/** @param {number} seconds */
export function span(seconds) {
  const [n, unit] = seconds >= 86400 ? [Math.round(seconds / 86400), 'day'] : seconds >= 3600 ? [Math.round(seconds / 3600), 'hour'] : [Math.max(1, Math.round(seconds / 60)), 'minute'];
  return n === 1 && unit !== 'minute' ? t(`span.${unit}`) : t(`span.${unit}s`, { n });
}

/** When the car was met last: a time today, else a day and a time. @param {number | null} at milliseconds @param {number} now */
export function met(at, now) {
  return at === null ? t('met.never') : t('met.at', { when: near(at, now) });
}

/** A time today; a day and a time this week; else the day. @param {number} at @param {number} now */
export function near(at, now) {
  if (new Date(at).toDateString() === new Date(now).toDateString()) return clock(at);
  return Math.abs(at - now) < 7 * 86_400_000 ? moment(at) : new Intl.DateTimeFormat(language(), { dateStyle: 'medium' }).format(at);
}

/** @param {number | null} at @param {number} now */
export const age = (at, now) => (at === null ? t('unknown') : ago(at, now));
