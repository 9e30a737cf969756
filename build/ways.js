// The ways that a reader follows through the code, by the functions that run on them: which files each way needs.
// From the compiler's own references, so that nothing on a way can be left out by hand.

import { join, relative } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

// What is counted stands beside the ways; the last way has it.
const certificates = ['decideCertificate', 'readCertificate', 'endWith'];

const counting = ['count', 'counters', 'countDecision', 'countReason', 'countKey', 'trackKeys', 'reserveCounters'];

/** Each way: where it begins, and the functions that a reader need not enter, since another way has them. */
export const ways = {
  'an API key that was never seen': {
    from: ['njs/decision/ask.ts ask', 'verifier/keys/check_key.ts makeCheckKey'],
    without: [
      ...counting,
      ...certificates,
      'decideToken',
      'refreshJwks',
      'trustedKeys',
      'lacksJwks',
      'verifySignature',
      'storeKeySet',
      'sendClaims',
      'resourceForm',
      'parseResource',
    ],
    snippets: ['guard.conf', 'ask.conf', 'to_decision.conf', 'decision_server.conf', 'sidecar.conf'],
  },
  'a token that was never seen': {
    from: ['njs/decision/ask.ts ask'],
    without: [
      ...counting,
      ...certificates,
      'checkHashedKey',
      'findKey',
      'mayBeHashed',
      'parseJwks',
      'askSignature',
      'refreshForUnknownKid',
      'storeKeySet',
      'sendClaims',
      'resourceForm',
      'parseResource',
    ],
    snippets: ['guard.conf', 'ask.conf', 'to_decision.conf', 'decision_server.conf'],
  },
  'a client certificate that was never seen': {
    from: ['auth/client_certificate.ts readCertificate', 'auth/certificate_verdict.ts decideCertificate'],
    without: [...counting],
    snippets: ['ask.conf', 'certificate.conf'],
  },
  'keys of a provider that are fetched': {
    from: [
      'njs/keys/remote_jwks.ts refreshForUnknownKid',
      'njs/keys/remote_jwks.ts fetchWantedJwks',
      'verifier/fetch_route.ts fetchForProvider',
    ],
    without: [...counting],
    snippets: ['decision_server.conf', 'sidecar.conf'],
  },
  "a change of the providers' file": {
    from: ['njs/keys/providers.ts refreshProviders'],
    without: [...counting],
    snippets: ['http.conf', 'decision_server.conf'],
  },
  'POST /token': {
    from: ['njs/routes/token.ts token', 'verifier/server.ts buildServer', 'verifier/keys/check_key.ts makeCheckKey'],
    without: [
      ...counting,
      'answerMetrics',
      'checkSignature',
      'storeKeySet',
      'parseKeyFile',
      'carriedForAudit',
      'fetchForProvider',
      'resourceForm',
      'parseResource',
      'formatCors',
      'formatPreflight',
      'foreignOrigin',
    ],
    snippets: ['routes.conf', 'decision_server.conf', 'sidecar.conf'],
  },
  'an edit of the key file': {
    from: ['njs/keys/refresh.ts refresh'],
    without: [
      ...counting,
      'refreshMinting',
      'refreshLocal',
      'refreshDenied',
      'lookAtSnapshot',
      'findSnapshot',
      'leaveOutRevoked',
      'refreshProviders',
      'jwksSources',
      'placeOfUrl',
      'forgetFetches',
      'forgetFetchTimes',
      'readTrustedKeys',
      'chooseMintIssuer',
      'verifySignature',
    ],
    snippets: ['http.conf', 'decision_server.conf'],
  },
  'a change of the snapshot of a cluster': {
    from: ['njs/keys/load_keys.ts refreshKeys'],
    without: [...counting, 'lookAtKeyFile', 'readTrustedKeys', 'verifySignature'],
    snippets: ['http.conf', 'decision_server.conf'],
  },
  'npm start': {
    from: ['launcher/start.ts start'],
    without: [
      'snippetFiles',
      'parseKeyFile',
      'parseEnvironmentKeys',
      'makeKey',
      'findUnusableSources',
      'readFileText',
      'readProvidersFile',
      'readProviderLines',
      'parseResource',
      'renderClientCertificates',
    ],
    snippets: [],
  },
  'a scrape of /metrics': {
    from: ['njs/metrics/main.ts metrics', 'njs/metrics/count_request.ts countRequest'],
    without: ['parseJwks', 'verifySignature'],
    snippets: ['metrics.conf', 'metrics_server.conf', 'count_requests.conf', 'sidecar.conf'],
  },
};

/** @returns for each way the files on it */
export function followWays() {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { fileNames, options } = ts.parseJsonConfigFileContent(
    {
      ...config,
      include: ['auth', 'njs', 'monitoring', 'cluster', 'verifier', 'settings', 'nginx', 'node', 'launcher', 'cli'],
    },
    ts.sys,
    root,
  );
  const program = ts.createProgram(fileNames, options);
  const graph = new References(program);
  return Object.fromEntries(
    Object.entries(ways).map(([name, { from, without, snippets }]) => {
      const files = graph.reach(from, new Set(without));
      return [name, [...snippets.map((snippet) => `nginx/snippets/${snippet}`), ...files].sort()];
    }),
  );
}

class References {
  constructor(program) {
    this.program = program;
    this.checker = program.getTypeChecker();
  }

  reach(from, without) {
    const files = new Set();
    const seen = new Set();
    const pending = from.map((place) => this.find(place));
    while (pending.length > 0) {
      const node = pending.pop();
      if (node === undefined || seen.has(node)) continue;
      seen.add(node);
      files.add(relative(root, node.getSourceFile().fileName));
      pending.push(...this.namedBy(node, without));
    }
    return [...files];
  }

  find(place) {
    const [path, name] = place.split(' ');
    const source = this.program.getSourceFile(join(root, path));
    const found = source?.statements.flatMap((one) => declarationsOf(one)).find((one) => one.name?.text === name);
    if (found === undefined) throw new Error(`no ${name} in ${path}`);
    return found;
  }

  // What the body of a declaration refers to: functions, classes and constants of ours, but no types.
  namedBy(node, without) {
    const found = [];
    const visit = (one) => {
      if (ts.isTypeNode(one) || ts.isInterfaceDeclaration(one)) return;
      if (isMember(one) && without.has(one.name.text)) return;
      if (ts.isIdentifier(one) && !without.has(one.text)) found.push(this.declarationOf(one));
      ts.forEachChild(one, visit);
    };
    ts.forEachChild(node, visit);
    return found;
  }

  declarationOf(identifier) {
    let symbol = this.checker.getSymbolAtLocation(identifier);
    if (symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0)
      symbol = this.checker.getAliasedSymbol(symbol);
    const declaration = symbol?.valueDeclaration;
    const isOurs = declaration !== undefined && !/node_modules|\.d\.ts$/.test(declaration.getSourceFile().fileName);
    return isOurs && isTopLevel(declaration) ? declaration : undefined;
  }
}

function isMember(node) {
  return ts.isMethodDeclaration(node) || ts.isPropertyAssignment(node) || ts.isFunctionDeclaration(node);
}

function declarationsOf(statement) {
  if (ts.isVariableStatement(statement)) return [...statement.declarationList.declarations];
  return [statement];
}

function isTopLevel(declaration) {
  const holder = ts.isVariableDeclaration(declaration) ? declaration.parent.parent.parent : declaration.parent;
  return ts.isSourceFile(holder);
}

if (import.meta.filename === process.argv[1]) {
  for (const [name, files] of Object.entries(followWays()))
    console.log(`${name}: ${files.length}\n  ${files.join('\n  ')}`);
}
