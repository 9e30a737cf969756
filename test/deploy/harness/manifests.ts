// The manifests of deploy/kubernetes: rendered by kubectl as an operator renders them, and judged by the schemas of
// Kubernetes, offline.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { unpackPackage } from '../../../nginx/runtime/unpack_nginx.js';

const root = join(import.meta.dirname, '../../..');

/** Where the manifests are. */
export const deployDir = join(root, 'deploy/kubernetes');

/** An object of Kubernetes, as far as these tests look into it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Labels };
  spec?: { [name: string]: unknown };
  data?: { [name: string]: string };
  [name: string]: unknown;
}

export interface Labels {
  [name: string]: string;
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  restartPolicy?: string;
  env?: { name: string; value?: string; valueFrom?: { [source: string]: { [name: string]: string } } }[];
  envFrom?: { configMapRef?: { name: string }; secretRef?: unknown }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean; subPath?: string; subPathExpr?: string }[];
  securityContext: { [name: string]: unknown };
  resources: { requests?: { [name: string]: string }; limits?: { [name: string]: string } };
  lifecycle?: { preStop: { exec: { command: string[] } } };
  startupProbe?: { exec: { command: string[] } };
  livenessProbe?: { exec: { command: string[] } };
  readinessProbe?: { httpGet: { path: string; port: string; scheme: string } };
}

export interface Volume {
  name: string;
  emptyDir?: { medium?: string; sizeLimit?: string };
  secret?: { secretName: string; optional?: boolean; defaultMode: number; items?: { key: string; path: string }[] };
  configMap?: { name: string };
  persistentVolumeClaim?: { claimName: string };
}

export interface Pod {
  automountServiceAccountToken?: boolean;
  enableServiceLinks?: boolean;
  terminationGracePeriodSeconds?: number;
  securityContext: { [name: string]: unknown };
  initContainers?: Container[];
  containers: Container[];
  volumes?: Volume[];
}

/** Parses a file of manifests. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** Renders a folder by `kubectl kustomize`, of the machine's Debian packages where the machine has none itself. */
export function render(dir: string): Manifest[] {
  const kubectl = join(unpackPackage('trixie', 'kubectl'), 'usr/bin/kubectl');
  return parseManifests(execFileSync(kubectl, ['kustomize', dir], { encoding: 'utf8' }));
}

/** Renders an overlay with components beside it, as the kustomization.yaml of an operator would. */
export function renderWith(overlay: string, components: string[]): Manifest[] {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-kustomize-'));
  try {
    const own = join(dir, 'own');
    mkdirSync(own);
    const list = (names: string[]) => names.map((name) => `\n  - ${relative(own, join(deployDir, name))}`).join('');
    writeFileSync(
      join(own, 'kustomization.yaml'),
      `namespace: keygate\nresources:${list([overlay])}\ncomponents:${list(components)}\n`,
    );
    return render(own);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Each file of plain manifests, with its path below deploy/kubernetes. */
export function plainFiles(): { path: string; manifests: Manifest[] }[] {
  return readdirSync(deployDir, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^(?:base|components|examples)\/.*(?<!\/kustomization)\.yaml$/.test(path))
    .map((path) => ({ path, manifests: parseManifests(readFileSync(join(deployDir, path), 'utf8')) }));
}

/** The pod of a workload; undefined of other objects. */
export function podOf({ spec }: Manifest): Pod | undefined {
  return (spec?.['template'] as { spec: Pod } | undefined)?.spec;
}

/** All containers of a pod. */
export function containersOf(pod: Pod): Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers];
}

const require = createRequire(import.meta.url);

// The CRDs of the Gateway API 1.4 and the Prometheus Operator are packages of their own.
function packageOf(apiVersion: string): string {
  const packages: { [group: string]: string } = {
    'gateway.networking.k8s.io': '@kubernetes-models/gateway-api/',
    'monitoring.coreos.com': '@kubernetes-models/prometheus-operator/',
  };
  return `${packages[apiVersion.split('/')[0] as string] ?? 'kubernetes-models/'}${apiVersion}`;
}

interface Model {
  validate: () => void;
}

/**
 * Validates required fields, types and values by the models, and by their TypeScript types that no field is unknown.
 * @returns a line for each fault
 */
export function findFaults(manifests: Manifest[]): string[] {
  const faults = manifests.flatMap((manifest) => {
    const models = require(packageOf(manifest.apiVersion)) as {
      [kind: string]: (new (of: Manifest) => Model) | undefined;
    };
    const kind = models[manifest.kind];
    if (kind === undefined) return [`${manifest.apiVersion} has no ${manifest.kind}`];
    try {
      new kind(manifest).validate();
      return [];
    } catch (error) {
      return [`${manifest.kind} ${manifest.metadata.name}: ${(error as Error).message}`];
    }
  });
  return faults.length > 0 ? faults : findUnknownFields(manifests);
}

// A literal of a type may have no member that the type lacks, however deep.
function findUnknownFields(manifests: Manifest[]): string[] {
  const lines = manifests.map((manifest, i) => {
    const type = `import('${packageOf(manifest.apiVersion)}').I${manifest.kind}`;
    return `export const manifest${i}: ${type} = ${JSON.stringify(manifest, undefined, 1)};`;
  });
  return compile(lines.join('\n'));
}

function compile(text: string): string[] {
  const path = join(import.meta.dirname, 'compiled_manifests.ts'); // not on disk
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Node10, // what these packages are made for
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === path || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === path ? ts.createSourceFile(name, text, options.target as ts.ScriptTarget) : getSourceFile(name, ...rest);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([path], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
