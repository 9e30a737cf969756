// What is wrong now, by the facts that the metrics server has: the page, the JSON and the command all say the same.
// docs/monitoring.md lists the rules.

import { formatAge, formatCount, formatDay, formatPercent } from './status_words.js';
import { sampleSeconds, type Condition, type Status } from './status.js';

/** The facts of a status, before they are judged. */
export type StatusFacts = Omit<Status, 'status' | 'problems'>;

/** What the judgement needs besides, about the files that nginx reads. */
export interface FileFacts {
  /** Whether the key file can't be read or used. */
  isKeyFileFaulty: boolean;
  /** Whether the snapshot of a cluster can't be read or used, or is not there yet. */
  isSnapshotFaulty: boolean;
  /** Whether the deny list can't be read or used. */
  isDenyListFaulty: boolean;
  /** Since a worker last looked at the files; null where none has. */
  checkedAgeSeconds: number | null;
}

interface Problem {
  condition: 'degraded' | 'failing';
  text: string;
}

const checkedWithinSeconds = 10; // the files are looked at five times a second
const windowSeconds = 300;
const fullShare = 0.85;

/** A certificate with less time than this left is a problem: 14 days. */
export const certificateWarningSeconds = 14 * 86400;

const degraded = (text: string): Problem => ({ condition: 'degraded', text });
const failing = (text: string): Problem => ({ condition: 'failing', text });

/** @returns the status with its judgement: the worst of its problems, which come first */
export function judgeStatus(facts: StatusFacts, files: FileFacts): Status {
  const problems = findProblems(facts, files);
  const worst = problems.filter(({ condition }) => condition === 'failing');
  const others = problems.filter(({ condition }) => condition === 'degraded');
  const status: Condition = worst.length > 0 ? 'failing' : others.length > 0 ? 'degraded' : 'ok';
  return Object.assign({ status, problems: worst.concat(others).map(({ text }) => text) }, facts);
}

function findProblems(facts: StatusFacts, files: FileFacts): Problem[] {
  const lists = [
    judgeKeys(facts, files),
    judgeJwks(facts),
    judgeSidecar(facts),
    judgeCluster(facts),
    judgeRates(facts),
    judgeCertificate(facts),
    judgeZones(facts),
  ];
  return lists.reduce((all, list) => all.concat(list), []);
}

function judgeKeys({ components, keys }: StatusFacts, files: FileFacts): Problem[] {
  const { isKeyFileFaulty, isSnapshotFaulty, isDenyListFaulty, checkedAgeSeconds } = files;
  const problems: Problem[] = [];
  if (components.keys === 'failing')
    problems.push(failing('No API key can be checked: no key file could be used, and no earlier keys are in use.'));
  else if (isKeyFileFaulty) problems.push(degraded('The key file can not be used: the keys from before stay in use.'));
  if (isSnapshotFaulty)
    problems.push(degraded('The snapshot of the cluster can not be used: what its nodes shared before stays in use.'));
  if (isDenyListFaulty)
    problems.push(degraded('The deny list can not be used: only the refusals from before stay in force.'));
  if (checkedAgeSeconds === null || checkedAgeSeconds > checkedWithinSeconds) {
    const since = checkedAgeSeconds === null ? 'yet' : `for ${formatAge(checkedAgeSeconds)}`;
    problems.push(degraded(`nginx has not looked at its key files ${since}: edits and revocations have no effect.`));
  }
  if (keys.unusable > 0) {
    const lines = keys.unusable === 1 ? '1 line' : `${formatCount(keys.unusable)} lines`;
    problems.push(degraded(`The key file has ${lines} that can not be used: keygate key check names them.`));
  }
  return problems;
}

function judgeJwks({ components, jwks }: StatusFacts): Problem[] {
  const faulty = jwks.filter((set) => set.faulty).map(({ source }) => source);
  const names = faulty.length === 0 ? '' : ` (${faulty.join(', ')})`;
  if (components.jwks === 'failing')
    return [failing(`Tokens can not be checked: a set of JWKs or the deny list could never be read${names}.`)];
  return faulty.map((source) => degraded(`The JWKs of ${source} can not be renewed: those from before stay in use.`));
}

function judgeSidecar({ components, sidecar }: StatusFacts): Problem[] {
  if (!sidecar.needed || (sidecar.up && components.verifier === 'ok')) return [];
  const said = sidecar.up ? 'says that it can not use the keys' : 'does not answer';
  return [degraded(`The sidecar ${said}: new bcrypt keys are not admitted, and POST /token fails.`)];
}

const staleSeconds = 5; // a node compares twice a second

function judgeCluster({ cluster }: StatusFacts): Problem[] {
  if (cluster === null) return [];
  const { storeUp, stalenessSeconds, joined } = cluster;
  if (!joined) return [failing('This node has not joined its cluster yet, so it has no API keys.')];
  const since = formatAge(stalenessSeconds);
  if (!storeUp) return [degraded(`The store of the cluster is away: changes of ${since} may be missing here.`)];
  if (stalenessSeconds <= staleSeconds) return [];
  return [degraded(`This node has not been equal to the store for ${since}: the sidecar's log says why.`)];
}

// Shares, with a least number: on a quiet gateway a single failure is no state.
function judgeRates({ rates, now }: StatusFacts): Problem[] {
  const recent = rates.filter(({ time }) => time > now - windowSeconds);
  const sum = (values: number[]) => Math.round(values.reduce((total, value) => total + value, 0) * sampleSeconds);
  const requests = sum(recent.map((sample) => sample.requests));
  const failed = sum(recent.map((sample) => sample.failed));
  const refused = sum(recent.map((sample) => sample.refused));
  const of = `of the ${formatCount(requests)} requests of the last 5 minutes`;
  const problems: Problem[] = [];
  if (failed >= 10 && failed * 2 >= requests)
    problems.push(failing(`${formatCount(failed)} ${of} ended in a 5xx answer.`));
  else if (failed >= 3 && failed * 100 >= requests)
    problems.push(degraded(`${formatCount(failed)} ${of} ended in a 5xx answer.`));
  if (refused >= 30 && refused * 2 >= requests) problems.push(degraded(`${formatCount(refused)} ${of} were refused.`));
  return problems;
}

function judgeCertificate({ certificateExpires, now }: StatusFacts): Problem[] {
  if (certificateExpires === null) return [];
  const left = certificateExpires - now;
  const day = formatDay(certificateExpires);
  if (left <= 0) return [failing(`The certificate expired ${formatAge(-left)} ago, on ${day}.`)];
  if (left >= certificateWarningSeconds) return [];
  return [degraded(`The certificate expires in ${formatAge(left)}, on ${day}.`)];
}

function judgeZones({ zones }: StatusFacts): Problem[] {
  return zones
    .filter(isNearlyFull)
    .map(({ zone, used, bytes }) => degraded(`The shared memory ${zone} is ${formatPercent(used, bytes)} full.`));
}

/** Whether a zone of shared memory has more than 85 % in use. */
export function isNearlyFull({ used, bytes }: { used: number; bytes: number }): boolean {
  return used > bytes * fullShare;
}
