// Reading the members of a JSON file that an operator writes: each fault with its place, and all faults at once.

import { isJsonObject, ownMember, type UnverifiedObject } from './json.js';

/** A place in a file, such as `providers[1].require[0]`, and the list that its faults go to. */
export interface Place {
  path: string;
  faults: string[];
}

/**
 * Reads a value, which is undefined where the member is missing.
 * @returns undefined for a fault, which then stands in the list: the caller refuses the file
 */
export type Reader<T> = (value: unknown, place: Place) => T | undefined;

/** Notes what was expected at a place. */
export function expected(what: string, { path, faults }: Place): undefined {
  faults.push(`${path}: expected ${what}`);
  return undefined;
}

/** Reads a text that fits a pattern. */
export function textOf(pattern: RegExp, what: string): Reader<string> {
  return (value, place) => (typeof value === 'string' && pattern.test(value) ? value : expected(what, place));
}

/** How many elements a list may have (one at least), and what it is a list of. */
export interface ListForm {
  max: number;
  what: string;
}

/** Reads an array. */
export function listOf<T>(read: Reader<T>, { max, what }: ListForm): Reader<T[]> {
  return (value, place) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > max)
      return expected(`a list of 1 to ${max} ${what}`, place);
    return (value as unknown[]).map((one, i) => read(one, { ...place, path: `${place.path}[${i}]` }) as T);
  };
}

/** Reads an array, or a single text in place of an array with this text alone. */
export function oneOrListOf<T>(read: Reader<T>, form: ListForm): Reader<T[]> {
  const readList = listOf(read, form);
  return (value, place) => (typeof value === 'string' ? [read(value, place) as T] : readList(value, place));
}

/** Reads a member that may be missing. */
export function optional<T>(read: Reader<T>, standard: T): Reader<T> {
  return (value, place) => (value === undefined ? standard : read(value, place));
}

/** An object in a file, of which each member is known. */
export interface Members {
  /** Whether the object has the member. */
  has: (name: string) => boolean;
  read: <T>(name: string, reader: Reader<T>) => T | undefined;
}

/**
 * Reads an object.
 * @param names of the members that it may have; each other member is a fault
 */
export function membersOf(value: unknown, names: string[], place: Place): Members | undefined {
  if (!isJsonObject(value)) return expected(`an object with ${names.join(', ')}`, place);
  const object: UnverifiedObject = value;
  const placeOf = (name: string) => ({ ...place, path: place.path === '' ? name : `${place.path}.${name}` });
  Object.keys(object).forEach((name) => {
    if (names.indexOf(name) < 0) expected(`one of ${names.join(', ')}`, placeOf(printable(name)));
  });
  return {
    has: (name) => ownMember(object, name) !== undefined,
    read: (name, reader) => reader(ownMember(object, name), placeOf(name)),
  };
}

/** Cleans and cuts a name from a file for a message. */
export function printable(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, '?').slice(0, 64);
}
