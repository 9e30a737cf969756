// Lint rules for code that runs in nginx's old engine (njs 0.8.9 and `js_engine njs`): what the engine lacks, and what
// it compiles wrongly without an error. docs/nginx-traps.md says what was seen.

const syntax = [
  [
    'CallExpression > AwaitExpression.arguments',
    'await as an argument is a SyntaxError in njs 0.8.9: give it a name first',
  ],
  ['ClassDeclaration[superClass.name=/Error$/]', 'instanceof is silently false for classes that extend Error'],
  ['PropertyDefinition > PrivateIdentifier', 'private fields do not work'],
  [':function[generator=true]', 'generators do not exist'],
  ['Literal[bigint]', 'BigInt does not exist'],
  ['Literal[regex.flags=/[us]/]', 'regular expressions with u or s give wrong results'],
  ['Literal[regex.pattern=/\\[[^\\]]*\\[\\]/]', 'njs 0.8.9 reads [] within a character class as an empty class'],
  [
    'MemberExpression[property.name=/^(flat|flatMap|at|findLast|findLastIndex|matchAll|hasOwn|fromEntries)$/]',
    'does not exist in the old engine',
  ],
  ['ThrowStatement', 'denials are data; see auth/verdict.ts'],
];

const globals = [
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'BigInt',
  'Proxy',
  'Reflect',
  'Symbol',
  'URL',
  'URLSearchParams',
  'structuredClone',
  'Intl',
];

/** njs 0.8.9: a `let` that a closure captures is no longer shared with it after the first await. */
const capturedLet = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { captured: '{{name}}: a let captured by a closure in an async function is miscompiled by njs 0.8.9' },
  },
  create(context) {
    const { scopeManager } = context.sourceCode;
    const isAsync = (scope) => scope.block.async === true;
    const check = (node) => {
      for (const variable of context.sourceCode.getDeclaredVariables(node)) {
        const home = variable.scope.variableScope;
        if (!isAsync(home)) continue;
        const captured = variable.references.some((one) => one.from.variableScope !== home);
        if (captured) context.report({ node, messageId: 'captured', data: { name: variable.name } });
      }
    };
    return scopeManager === null ? {} : { 'VariableDeclaration[kind="let"]': check };
  },
};

export const oldEngine = {
  plugins: { keygate: { rules: { 'captured-let': capturedLet } } },
  rules: {
    'keygate/captured-let': 'error',
    'no-restricted-syntax': ['error', ...syntax.map(([selector, message]) => ({ selector, message }))],
    'no-restricted-globals': ['error', ...globals],
  },
};
