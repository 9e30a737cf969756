// Media types that more than one part of Keygate names.

/** Of answers to clients. */
export const jsonMediaType = 'application/json';

/** Of each question to the sidecar and of each of its answers; an answer of another type does not count (rule 2). */
export const sidecarMediaType = 'application/vnd.keygate+json';
