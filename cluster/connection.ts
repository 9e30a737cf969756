// The connection to the store that a process keeps: commands fail at once while the store is away, and within 200 ms
// otherwise, unless the process has more time. The connection comes back by itself.

import { createHash } from 'node:crypto';
import type { ClusterSettings } from '../settings/cluster.js';
import { describeStore, describeStoreFault, lostCodes, replyCode, StoreAway, StoreRefused } from './store_fault.js';
import { askSentinels, loadPackage, openClient, type OpenedClient, type StoreClient } from './store_client.js';

export type { StoreClient };

export interface StoreState {
  /**
   * `away` is sure: a connection that ended or could not be made says so. `silent` is not: a command had no answer in
   * time, and the next attempt to connect has not ended yet.
   */
  store: 'up' | 'silent' | 'away';
  /** Why the store is not up; empty while it is. */
  reason: string;
}

export interface Connection {
  /**
   * Runs a command, such as `(client) => client.get(name)`.
   * @param timeoutMs at least, for a command that moves much
   * @throws StoreAway while the store is away, and when it does not answer in time or refuses
   */
  run: <T>(command: (client: StoreClient) => Promise<T>, timeoutMs?: number) => Promise<T>;
  /** Runs a Lua script, which the store keeps by its digest; otherwise like `run`. */
  runScript: (script: string, keys: string[], values: (string | Buffer)[]) => Promise<unknown>;
  /** The name of a value in the store: REDIS_PREFIX and the value's own name. */
  name: (value: string) => string;
  state: () => StoreState;
  /** Waits until the first attempt to connect has ended. */
  tried: () => Promise<StoreState>;
  close: () => void;
}

export interface ConnectionOptions {
  /** How long a command may take; 200 by default, as requests wait for a node. */
  timeoutMs?: number;
  /** Told each change of the state. */
  onState?: (state: StoreState) => void;
  /** Told of an absent store at once and then once a minute, and of its return. */
  log?: (text: string) => void;
  /** Each connection hears this channel of the store. */
  channel?: { name: string; hear: (message: string) => void };
}

const commandTimeoutMs = 200;
const connectTimeoutMs = 1000;
const sentinelCheckMs = 5000;

/** Opens a connection and keeps it open until `close`. */
export function openConnection(settings: ClusterSettings, options: ConnectionOptions = {}): Connection {
  const kept = new KeptConnection(settings, options);
  const first = kept.connect();
  const tried = () => first.then(() => kept.state);
  return {
    run: (command, timeoutMs) => kept.run(command, timeoutMs),
    runScript: (script, keys, values) => kept.runScript(script, [String(keys.length), ...keys, ...values]),
    name: (value) => kept.name(value),
    state: () => kept.state,
    tried,
    close: () => kept.close(),
  };
}

class KeptConnection {
  state: StoreState = { store: 'silent', reason: 'not connected yet' };
  private opened: OpenedClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private checking: NodeJS.Timeout | undefined;
  private readonly closed = new AbortController();
  private readonly timeoutMs: number;
  private readonly connectTimeoutMs: number;
  private readonly logState: (state: StoreState) => void;

  constructor(
    private readonly settings: ClusterSettings,
    private readonly options: ConnectionOptions,
  ) {
    this.timeoutMs = options.timeoutMs ?? commandTimeoutMs;
    this.connectTimeoutMs = Math.max(connectTimeoutMs, this.timeoutMs);
    this.logState = makeStateLog(describeStore(settings.redis), options.log);
    if (settings.redis.sentinelName === undefined) return;
    this.checking = setInterval(() => void this.checkSentinels().catch(() => undefined), sentinelCheckMs);
  }

  name(value: string): string {
    return `${this.settings.prefix}:${value}`;
  }

  async connect(): Promise<void> {
    try {
      await loadPackage(); // is no part of the time that the store has
      const opened = await openWithin(this.settings, this.closed.signal, this.connectTimeoutMs);
      this.opened = opened;
      opened.client.on('error', (error) => this.lose(opened, { store: 'away', reason: describeStoreFault(error) }));
      const { channel } = this.options;
      if (channel !== undefined)
        await within(opened.client.subscribe(this.name(channel.name), channel.hear), this.timeoutMs);
      if (this.opened !== opened) return;
      this.setState({ store: 'up', reason: '' });
    } catch (error) {
      this.end({ store: 'away', reason: describeStoreFault(error) });
    }
  }

  async run<T>(command: (client: StoreClient) => Promise<T>, timeoutMs = 0): Promise<T> {
    const { opened, state } = this;
    if (opened === undefined || state.store !== 'up') throw new StoreAway(state.reason);
    try {
      return await within(command(opened.client), Math.max(timeoutMs, this.timeoutMs));
    } catch (error) {
      if (error instanceof TypeError) throw error; // a fault of ours
      const code = replyCode(error);
      if (code === 'NOSCRIPT') throw error;
      const away = code === undefined ? new StoreAway(describeStoreFault(error)) : new StoreRefused(code);
      const store = error instanceof StoreAway ? 'silent' : 'away';
      if (code === undefined || lostCodes.includes(code)) this.lose(opened, { store, reason: away.message });
      throw away;
    }
  }

  async runScript(script: string, given: (string | Buffer)[]): Promise<unknown> {
    const digest = createHash('sha1').update(script).digest('hex'); // the name that EVALSHA wants
    try {
      return await this.run((client) => client.sendCommand(['EVALSHA', digest, ...given]));
    } catch (error) {
      if (replyCode(error) !== 'NOSCRIPT') throw error;
      return await this.run((client) => client.sendCommand(['EVAL', script, ...given]));
    }
  }

  close(): void {
    this.closed.abort();
    clearTimeout(this.timer);
    clearInterval(this.checking);
    this.opened?.client.destroy();
    this.opened = undefined;
    this.state = { store: 'silent', reason: 'closed' };
  }

  private lose(lost: OpenedClient, next: StoreState): void {
    if (this.opened === lost) this.end(next);
  }

  // Nodes come back at moments of their own, so that a store that returns does not meet all of them at once. A store
  // that was late once is met again soon.
  private end(next: StoreState): void {
    this.opened?.client.destroy();
    this.opened = undefined;
    if (this.closed.signal.aborted) return;
    this.setState(next);
    clearTimeout(this.timer);
    const waitMs = next.store === 'away' ? 100 + Math.random() * 400 : Math.random() * 100;
    this.timer = setTimeout(() => void this.connect(), waitMs);
  }

  private setState(next: StoreState): void {
    const isNew = next.store !== this.state.store || next.reason !== this.state.reason;
    this.state = next;
    this.logState(next);
    if (isNew) this.options.onState?.(next);
  }

  private async checkSentinels(): Promise<void> {
    const { opened } = this;
    if (opened === undefined) return;
    const { host, port } = await askSentinels(this.settings, AbortSignal.timeout(connectTimeoutMs));
    if (opened.place !== `${host}:${port}`)
      this.lose(opened, { store: 'silent', reason: 'the sentinels name another store now' });
  }
}

// An attempt that takes too long is given up together with its sockets.
async function openWithin(settings: ClusterSettings, closed: AbortSignal, ms: number): Promise<OpenedClient> {
  const attempt = new AbortController();
  const giveUp = () => attempt.abort();
  closed.addEventListener('abort', giveUp, { once: true });
  try {
    return await within(openClient(settings, attempt.signal), ms);
  } catch (error) {
    attempt.abort();
    throw error;
  } finally {
    closed.removeEventListener('abort', giveUp);
  }
}

/**
 * Waits for an answer. A process that was busy itself looks for an answer once more before it gives up.
 * @throws StoreAway
 */
export function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new StoreAway(`no answer within ${ms} ms`));
    const timer = setTimeout(() => setImmediate(() => setImmediate(late)), ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const logEveryMs = 60000;

function makeStateLog(store: string, log: (text: string) => void = () => undefined): (state: StoreState) => void {
  const logged = new Map<string, number>();
  let isToldAway = false;
  return ({ store: is, reason }) => {
    const isUp = is === 'up';
    const text = isUp ? `the store ${store} is back` : `the store ${store} is away: ${reason}`;
    if (isUp && !isToldAway) return;
    if (isUp) isToldAway = false;
    const nowMs = performance.now();
    if (!isUp && nowMs - (logged.get(reason) ?? -Infinity) < logEveryMs) return;
    if (!isUp) {
      logged.set(reason, nowMs);
      isToldAway = true;
    }
    log(text);
  };
}
