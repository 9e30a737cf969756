// What comes of a request: a verdict, and what its answer says beside it.

import type { AnswerDetails } from '../auth/answer.js';
import type { Admitted, Refused } from '../auth/verdict.js';

export type RefusedOutcome = Refused & AnswerDetails;

export type Outcome = Admitted | RefusedOutcome;
