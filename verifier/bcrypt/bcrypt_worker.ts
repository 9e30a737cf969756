// One bcrypt comparison in a thread of the pool.

import { verifySync } from '@node-rs/bcrypt';

export interface Comparison {
  credential: string;
  hash: string;
}

/** @returns whether the credential is the one that was hashed */
export default function compare({ credential, hash }: Comparison): boolean {
  return verifySync(credential, hash);
}
