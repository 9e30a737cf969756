// Lines that would come each second: each is told at once, and then once a minute while it goes on.

export interface LimitedLog {
  /** @param about what the line is about, where its text changes; otherwise the text */
  warn: (text: string, about?: string) => void;
  error: (text: string, about?: string) => void;
}

export interface Log {
  info: (text: string) => void;
  warn: (text: string) => void;
  error: (text: string) => void;
}

const everyMs = 60000;

export function limitLog(log: Log): LimitedLog {
  const toldMs = new Map<string, number>();
  const limited =
    (level: 'warn' | 'error') =>
    (text: string, about: string = text) => {
      const nowMs = performance.now();
      if (nowMs - (toldMs.get(about) ?? -Infinity) < everyMs) return;
      if (toldMs.size > 1000) toldMs.clear();
      toldMs.set(about, nowMs);
      log[level](text);
    };
  return { warn: limited('warn'), error: limited('error') };
}
