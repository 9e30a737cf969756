// What the compiler does not see: size, and in auth/, monitoring/ and njs/ what nginx's old JavaScript engine can't do.

import js from '@eslint/js';
import ts from 'typescript-eslint';
import { oldEngine } from './build/old_engine_rules.js';

const size = (lines) => ({
  'max-lines': ['error', { max: lines, skipBlankLines: false, skipComments: false }],
  'max-lines-per-function': ['error', { max: 40, skipBlankLines: true, skipComments: true }],
  'max-params': ['error', 3],
  // As the formatter's, but for what it can't break: patterns, and nginx's own lines in a template.
  'max-len': [
    'error',
    { code: 120, ignoreRegExpLiterals: true, ignoreTemplateLiterals: true, ignorePattern: '[0-9a-f]{100}' },
  ],
});

const useEditAudited = 'use editAudited of cli/audit/audited_edit.ts: a change has a line in the audit log';
const reading = ['existsSync', 'lstatSync', 'readFileSync', 'readdirSync', 'statSync'];
const onlyAudited = {
  paths: [
    { name: 'node:fs', allowImportNames: reading, message: useEditAudited },
    { name: 'node:fs/promises', message: useEditAudited },
  ],
  patterns: [
    { group: ['**/node/locked_file.js'], importNames: ['editLocked'], message: useEditAudited },
    { group: ['**/node/state_files.js'], importNames: ['writeAtomically', 'loadSecret'], message: useEditAudited },
    { group: ['**/signing/stored_keys.js'], importNames: ['writeSigningKeys'], message: useEditAudited },
  ],
};

export default ts.config(
  { ignores: ['dist/', '.dist-*/', 'node_modules/', '.keygate/', 'test/vectors/'] },
  js.configs.recommended,
  ts.configs.recommended,
  {
    rules: {
      ...size(250),
      'no-control-regex': 'off', // control characters are what several checks are about
      'no-undef': 'off', // the compiler knows better
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'none' }],
    },
  },
  {
    files: ['test/**'],
    rules: { ...size(400), 'max-lines-per-function': 'off', 'max-params': 'off' },
  },
  { files: ['auth/**', 'njs/**', 'monitoring/**'], ...oldEngine },
  // Its Map is left out of the old engine's bundle.
  { files: ['njs/decision/verdict_cache.ts'], rules: { 'no-restricted-globals': 'off' } },
  {
    // A command that changes a file says so in the audit log: the types ask for its event (cli/audit/audited_edit.ts).
    files: ['cli/**'],
    ignores: ['cli/audit/**', 'cli/install/installed_folder.ts', 'cli/signing/change_signing_keys.ts'],
    rules: { 'no-restricted-imports': ['error', onlyAudited] },
  },
  { files: ['auth/refusals.ts'], rules: { 'max-lines-per-function': 'off' } }, // one table
  { files: ['njs/nginx.d.ts'], rules: { '@typescript-eslint/triple-slash-reference': 'off' } },
);
