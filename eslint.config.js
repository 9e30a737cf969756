// What the compiler does not see: size, and in auth/ and njs/ what nginx's old JavaScript engine can't do.

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
  { files: ['auth/**', 'monitoring/**', 'njs/**'], ...oldEngine },
  // Its Map is left out of the old engine's bundle.
  { files: ['njs/decision/verdict_cache.ts'], rules: { 'no-restricted-globals': 'off' } },
  { files: ['auth/refusals.ts'], rules: { 'max-lines-per-function': 'off' } }, // one table
  { files: ['njs/nginx.d.ts'], rules: { '@typescript-eslint/triple-slash-reference': 'off' } },
);
