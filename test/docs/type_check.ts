// The compiler over a folder whose files change between checks: it parses and checks again only what a change reaches.

import { join } from 'node:path';
import ts from 'typescript';

/** @returns what tells the faults that `tsc --noEmit` would tell of the folder as it is now; none is the empty text */
export function makeTypeCheck(dir: string): () => string {
  const config = ts.getParsedCommandLineOfConfigFile(join(dir, 'tsconfig.json'), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
    },
  }) as ts.ParsedCommandLine;
  const host = ts.createIncrementalCompilerHost(config.options);
  const { getSourceFile } = host;
  const parsed = new Map<string, ts.SourceFile>();
  host.getSourceFile = (path, ...rest) => {
    const known = parsed.get(path);
    const isInstalled = path.includes('/node_modules/');
    if (known !== undefined && (isInstalled || known.text === host.readFile(path))) return known;
    const file = getSourceFile(path, ...rest);
    if (file !== undefined) parsed.set(path, file);
    return file;
  };
  let last: ts.SemanticDiagnosticsBuilderProgram | undefined;
  return () => {
    last = ts.createSemanticDiagnosticsBuilderProgram(config.fileNames, config.options, host, last);
    const faults = [
      ...config.errors,
      ...last.getOptionsDiagnostics(),
      ...last.getGlobalDiagnostics(),
      ...last.getSyntacticDiagnostics(),
      ...last.getSemanticDiagnostics(),
    ];
    return ts.formatDiagnostics(faults, {
      getCanonicalFileName: (path) => path,
      getCurrentDirectory: () => dir,
      getNewLine: () => '\n',
    });
  };
}
