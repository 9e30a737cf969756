// Text in HTML: nothing that a value holds becomes markup, or turns the direction of the text around it.

import { formatIso } from './status_words.js';

const entities: { [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Escapes a value for content and for quoted attributes. Control characters, and characters that are invisible or turn
 * the direction of text, are written as their code, such as `\u202e`.
 */
export function escapeHtml(text: string): string {
  const visible = /[^\n\x20-\x7e]/.test(text) ? text.split('').map(showCharacter).join('') : text;
  return visible.replace(/[&<>"']/g, (character) => entities[character] as string);
}

function showCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const isControl = code < 0x20 || (code >= 0x7f && code <= 0xa0) || code === 0xad || code === 0x61c;
  const isInvisible = code >= 0x200b && code <= 0x200f;
  const isFormat = (code >= 0x2028 && code <= 0x202f) || (code >= 0x2060 && code <= 0x206f) || code === 0xfeff;
  return isControl || isInvisible || isFormat ? escapeCode(code) : character;
}

/** @returns a UTF-16 code unit as `\u202e` */
export function escapeCode(code: number): string {
  return '\\u' + ('000' + code.toString(16)).slice(-4);
}

/** A point in time: shown as `text`, read by programs as RFC 3339. */
export function timeElement(seconds: number, text: string): string {
  return `<time datetime="${formatIso(seconds)}">${text}</time>`;
}
