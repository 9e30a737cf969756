// An operator whose store fails in every way that a store fails: commands fail at once and say why, and nothing has to
// be restarted afterwards.

import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { openConnection, type Connection, type ConnectionOptions, type StoreState } from '../../cluster/connection.js';
import { freePort } from '../gateway/harness/free_port.js';
import { clusterSettings } from './harness/settings.js';
import { startStore, storeKinds, type StoreOptions, type StoreServer } from './harness/store_server.js';
import { makeAuthority } from './harness/authority.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: StoreOptions = {}): Promise<StoreServer> {
  const store = await startStore(options);
  closing.push(() => store.stop());
  return store;
}

function connect(url: string, env: { [name: string]: string } = {}, options: ConnectionOptions = {}): Connection {
  const connection = openConnection(clusterSettings(url, env), options);
  closing.push(() => connection.close());
  return connection;
}

async function until(
  connection: Connection,
  isAsWanted: (state: StoreState) => boolean,
  ms = 10000,
): Promise<StoreState> {
  const endMs = Date.now() + ms;
  while (!isAsWanted(connection.state())) {
    if (Date.now() > endMs) throw new Error(`the state stayed ${JSON.stringify(connection.state())}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return connection.state();
}
const isUp = ({ store }: StoreState) => store === 'up';

describe('a connection', () => {
  it.each(storeKinds)('runs commands and scripts on %s', async (kind) => {
    const connection = connect((await start({ kind })).url);
    expect(await connection.tried()).toEqual({ store: 'up', reason: '' });
    await connection.run((client) => client.set(connection.name('a'), '1'));
    const script = 'return redis.call("incr", KEYS[1]) + ARGV[1]';
    expect(await connection.runScript(script, [connection.name('a')], ['10'])).toBe(12);
    expect(await connection.runScript(script, [connection.name('a')], ['10'])).toBe(13);
  });

  it('goes through a Unix socket', async () => {
    const connection = connect((await start({ isSocket: true })).url);
    expect((await connection.tried()).store).toBe('up');
  });

  it('hears its channel, also after the store was away', async () => {
    const store = await start();
    const heard: string[] = [];
    const connection = connect(store.url, {}, { channel: { name: 'changes', hear: (text) => heard.push(text) } });
    await connection.tried();
    await connection.run((client) => client.publish('keygate:changes', '1'));
    await expect.poll(() => heard).toEqual(['1']);
    await store.kill();
    await until(connection, ({ store }) => store !== 'up');
    await store.start();
    await until(connection, isUp);
    await connection.run((client) => client.publish('keygate:changes', '2'));
    await expect.poll(() => heard).toEqual(['1', '2']);
  });
});

describe('TLS', () => {
  it('takes certificates of the CA alone, and reads them anew at each connection', async () => {
    const authority = await makeAuthority();
    const store = await start({ tls: authority.server, lines: ['tls-auth-clients yes'] });
    const files = { REDIS_CA: authority.ca, REDIS_CERT: authority.client.cert, REDIS_KEY: authority.client.key };
    const connection = connect(store.url, files);
    expect(await connection.tried()).toEqual({ store: 'up', reason: '' });
    const stranger = connect(store.url, { ...files, REDIS_CA: (await makeAuthority()).ca });
    expect((await stranger.tried()).reason).toMatch(/^its certificate, or ours, is not accepted \(\w+\): REDIS_CA/);
    const noCertificate = connect(store.url, { REDIS_CA: authority.ca });
    expect((await noCertificate.tried()).store).toBe('away');

    await store.kill();
    await until(connection, ({ store }) => store !== 'up');
    await authority.replace(); // another authority, with its certificates in the same files
    await store.start();
    await until(connection, isUp);
  });

  it('says which file it can not read', async () => {
    const connection = connect('rediss://127.0.0.1:1', { REDIS_CA: '/nowhere/ca.pem' });
    expect((await connection.tried()).reason).toBe("can't read /nowhere/ca.pem (ENOENT): REDIS_CA");
  });
});

describe('a store that fails', () => {
  it('was killed: commands fail at once and go on after its return, within 2 s', async () => {
    const store = await start();
    const connection = connect(store.url);
    await connection.tried();
    await store.kill();
    await until(connection, ({ store }) => store !== 'up');
    await expect(connection.run((client) => client.get('x'))).rejects.toThrow(/^(no connection|the connection ended)/);
    await store.start();
    await until(connection, isUp, 2000);
    expect(await connection.run((client) => client.get('x'))).toBeNull();
  });

  it('stands still: a command fails after 200 ms, the next one at once', async () => {
    const store = await start();
    const connection = connect(store.url);
    await connection.tried();
    store.signal('SIGSTOP');
    await expect(connection.run((client) => client.get('x'))).rejects.toThrow('no answer within 200 ms');
    const beforeMs = performance.now();
    await expect(connection.run((client) => client.get('x'))).rejects.toThrow('no answer within');
    expect(performance.now() - beforeMs).toBeLessThan(100);
    await until(connection, (state) => state.reason === 'no answer within 1000 ms');
    store.signal('SIGCONT');
    await until(connection, isUp, 2000);
  });

  it('takes 2 s for each command: no caller waits for it', async () => {
    const store = await start();
    const connection = connect(store.url);
    await connection.tried();
    await (await store.client()).sendCommand(['CLIENT', 'PAUSE', '2000', 'ALL']);
    await expect(connection.run((client) => client.get('x'))).rejects.toThrow('no answer within 200 ms');
    await until(connection, isUp, 4000);
    expect(await connection.run((client) => client.get('x'))).toBeNull();
  });

  it('has no memory left: the reason says so, and reading goes on', async () => {
    const store = await start({ lines: ['maxmemory 1', 'maxmemory-policy noeviction'] });
    const connection = connect(store.url);
    await connection.tried();
    await expect(connection.run((client) => client.set('x', '1'))).rejects.toThrow(
      /no memory left for changes \(OOM\)/,
    );
    expect(await connection.run((client) => client.get('x'))).toBeNull();
  });

  it.each([
    ['no password', {}, /asks for a password \(NOAUTH\)/],
    ['a wrong password', { REDIS_PASSWORD: 'other-password' }, /password is wrong \(WRONGPASS\)/],
  ])('wants a password, and is given %s', async (_, env, reason) => {
    const store = await start({ password: 'right-password' });
    const logged: string[] = [];
    const connection = connect(store.url, env as { [name: string]: string }, { log: (text) => logged.push(text) });
    expect((await connection.tried()).reason).toMatch(reason);
    expect(logged).toEqual([expect.stringMatching(`^the store redis://127.0.0.1:${store.port} is away: `)]);
    expect(logged.join()).not.toContain('other-password');
  });

  it('never shows the password of its URL', async () => {
    const logged: string[] = [];
    const options = { log: (text: string) => logged.push(text) };
    const connection = connect('redis://eve:s3cretword@127.0.0.1:1/2', {}, options);
    await connection.tried();
    expect(logged).toEqual(['the store redis://127.0.0.1:1/2 is away: no connection (ECONNREFUSED)']);
  });

  it('is told of once a minute, however often it is tried', async () => {
    const logged: string[] = [];
    const connection = connect('redis://127.0.0.1:1', {}, { log: (text) => logged.push(text) });
    await connection.tried();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(logged).toHaveLength(1);
  });

  it('is a replica', async () => {
    const master = await start();
    const connection = connect((await start({ replicaOf: master })).url);
    expect((await connection.tried()).reason).toBe('it is a replica, which takes no changes');
  });

  it('refuses a user who may not run a command', async () => {
    const store = await start({ lines: ['user low on >pass ~* &* +info +client +hello'] });
    const connection = connect(store.url, { REDIS_USER: 'low', REDIS_PASSWORD: 'pass' });
    expect((await connection.tried()).store).toBe('up');
    await expect(connection.run((client) => client.get('x'))).rejects.toThrow('may not run a command');
  });
});

describe('a server that is too old', () => {
  // Debian has none that old, so the few answers of the handshake stand in for one.
  it.each([
    ['Redis 6.2.14', 'redis_version:6.2.14\r\n'],
    ['Valkey 7.2.5', 'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5\r\n'],
    ['older than Redis 6', undefined],
  ])('is told of: %s', async (version, info) => {
    const connection = connect(`redis://eve:s3cretword@127.0.0.1:${await answerAs(info)}`);
    const { reason } = await connection.tried();
    expect(reason).toBe(`it is ${version}, and Redis 7 or Valkey 8 is needed`);
  });
});

async function answerAs(info: string | undefined): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const [, command] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
        if (command === 'HELLO' && info === undefined)
          socket.write(
            '-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `eve`, `s3cretword`, \r\n',
          );
        else if (command === 'HELLO') socket.write('%1\r\n$5\r\nproto\r\n:3\r\n');
        else if (command === 'INFO') socket.write(`$${info?.length}\r\n${info}\r\n`);
        else socket.write('+OK\r\n');
      }
    });
    socket.on('error', () => undefined);
  });
  const port = await freePort();
  await once(server.listen(port, '127.0.0.1'), 'listening');
  closing.push(() => server.close());
  return port;
}

describe('sentinels', () => {
  it('name the store, and another one after a failover', async () => {
    const master = await start();
    const replica = await start({ replicaOf: master });
    const sentinel = await start({ sentinelOf: master });
    const dead = await freePort();
    const url = `redis-sentinel://127.0.0.1:${dead},127.0.0.1:${sentinel.port}`;
    const connection = connect(`${url}#keygate`);
    expect(await connection.tried()).toEqual({ store: 'up', reason: '' });
    expect((await connect(`${url}#other`).tried()).reason).toBe('the sentinels know no store of the name other');
    const seen = await sentinel.client();
    await expect
      .poll(async () => JSON.stringify(await seen.sendCommand(['SENTINEL', 'REPLICAS', 'keygate'])), {
        timeout: 20000, // it learns of replicas from the store's INFO, each 10 s
      })
      .toContain(String(replica.port));
    await master.kill();
    await until(connection, ({ store }) => store !== 'up');
    await until(connection, isUp, 20000);
    await connection.run((client) => client.set('x', 'after'));
    expect(await (await replica.client()).get('x')).toBe('after');
  }, 60000);

  it('do not answer', async () => {
    const connection = connect(`redis-sentinel://127.0.0.1:${await freePort()}#keygate`);
    expect((await connection.tried()).reason).toBe('no sentinel answers, so keygate is not to be found');
  });
});
