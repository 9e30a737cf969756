// README's Docker part in a fresh clone: every command, in order, as it is written there.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { makeClone, type Clone } from './harness/clone.js';
import { serveCopilotRepository, type CopilotRepository } from './harness/copilot_repository.js';
import { describeWithEngine } from './harness/engine.js';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const section = readme.split('\n## Docker\n')[1]?.split('\n## ')[0] ?? '';
const commands = [...section.matchAll(/^ {4}\$ (.*)$/gm)].map((match) => match[1] as string);
const up = 'docker compose up -d --build --wait';
const token = 'gho_tokenOfTheReadmeTest';

describeWithEngine("README's Docker part", () => {
  let clone: Clone;
  let repository: CopilotRepository;
  let demoKey = '';
  let ownKey = '';
  const done: string[] = [];

  // One of README's commands, with this clone's port and this run's key in it.
  const type = (command: string) => {
    expect(commands[done.length]).toBe(command);
    done.push(command);
    const typed = command
      .replace(/kg_[^"]*/, demoKey)
      .replace('https://127.0.0.1:5000', clone.url)
      .replace(/^curl/, 'curl -sS');
    const ran = clone.run(typed, repository.settings);
    expect(ran.status, `${typed}\n${ran.said}`).toBe(0);
    return ran;
  };
  const statusFor = async (key: string) =>
    (await send(clone.url, '/v1/models', { headers: { 'x-api-key': key } })).status;

  beforeAll(async () => {
    clone = await makeClone('keygate-readme');
    repository = await serveCopilotRepository();
  });
  afterAll(() => {
    clone?.remove();
    repository?.stop();
  });

  it('comes up without a .env and shows the demo key once', async () => {
    type(up);
    const said = type('docker compose logs setup').stdout;
    const keys = said.match(/kg_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}/g) ?? [];
    expect(keys).toHaveLength(1);
    demoKey = keys[0] as string;
    expect(said).toContain(`curl -k -H "Authorization: Bearer KEY" ${clone.url}/v1/models`);
    expect(clone.run('docker compose logs').stdout.split(demoKey)).toHaveLength(2);
  });

  it('answers an authenticated request from the stand-in', () => {
    const { stdout } = type('curl -k -H "Authorization: Bearer kg_0iW8hUQf_oSAd9..." https://127.0.0.1:5000/v1/models');
    expect(stdout).toContain('"object":"list"');
  });

  it('stops with one line when there is a token and no key', () => {
    type('cp .env.example .env');
    const example = readFileSync(join(clone.dir, '.env'), 'utf8');
    writeFileSync(join(clone.dir, '.env'), example.replace('#GITHUB_TOKEN=', `GITHUB_TOKEN=${token}`));
    const ran = clone.run(up, repository.settings);
    expect(ran.status).not.toBe(0);
    const said = clone.run('docker compose logs --no-log-prefix setup').stdout;
    const lines = said.split('\n').filter((line) => line.includes('keygate: '));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('`docker compose run --rm verifier keygate key new NAME`');
  });

  it('makes a key that works without a restart, and ends the demo key', async () => {
    const { stdout, said } = type('docker compose run --rm verifier keygate key new alice');
    ownKey = /kg_\w+/.exec(stdout)?.[0] ?? '';
    expect(said).toContain('The demo key was taken out.');
  });

  it('runs copilot-api in the place of the stand-in by the same command', async () => {
    type(up);
    const running = clone.run('docker compose ps --services').stdout.split('\n');
    expect(running).toContain('copilot-api');
    expect(running).not.toContain('demo-upstream');
    const answered = await send(clone.url, '/v1/models', { headers: { 'x-api-key': ownKey } });
    expect(answered.body).toContain('"copilot":true');
    expect(await statusFor(demoKey)).toBe(401);
  });

  it('reloads, shows logs and goes down', async () => {
    type('docker compose exec nginx nginx -s reload');
    expect(await statusFor(ownKey)).toBe(200);
    expect(type('docker compose logs nginx').stdout).toContain('"subject":"alice"');
    type('docker compose down');
    expect(clone.run('docker compose ps -aq').stdout).toBe('');
    expect(done).toEqual(commands);
  });
});
