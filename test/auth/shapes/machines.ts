// Issuers whose tokens machines have: from their documentation, the details invented.

import { nodePlatform } from '../../../node/crypto.js';
import { now, x5c, type Shape } from './shape.js';

const subjectOfGitHub = `repo:octo-org/octo-repo:job_workflow_ref:octo-org/ci/.github/workflows/${'x'.repeat(200)}.yml`;

export const shapesOfMachines: { [issuer: string]: Shape } = {
  'GitHub Actions': {
    provider: {
      issuer: 'https://token.actions.githubusercontent.example',
      audience: ['llm'],
      require: [
        { claim: 'repository_owner_id', equals: '65' },
        { claim: 'sub', matches: 'repo:octo-org/*' },
      ],
    },
    header: { kid: 'gh-1', typ: 'JWT', x5t: 'gh-1' },
    keys: { alg: 'RS256', use: 'sig', x5t: 'gh-1', x5c },
    claims: {
      jti: 'f7',
      sub: 'repo:octo-org/octo-repo:environment:prod',
      environment: 'prod',
      aud: 'llm',
      ref: 'refs/heads/main',
      repository: 'octo-org/octo-repo',
      repository_owner: 'octo-org',
      repository_owner_id: '65',
      iss: 'https://token.actions.githubusercontent.example',
      nbf: now - 60,
    },
    admitted: { subject: 'repo:octo-org/octo-repo:environment:prod', scopes: [] },
    others: {
      'a subject over 256 bytes': {
        claims: { sub: subjectOfGitHub },
        as: { subject: `${subjectOfGitHub.slice(0, 204)}%EF%BF%BD${nodePlatform.sha256(subjectOfGitHub)}` },
      },
    },
    wrong: {
      'of another organisation': { claims: { sub: 'repo:octo-org-2/octo-repo:x' }, reason: 'token_require' },
      'of a subject over 2,048 characters': {
        claims: { sub: `repo:octo-org/${'x'.repeat(2048)}` },
        reason: 'token_require',
      },
      'of an owner id that is a number': { claims: { repository_owner_id: 65 }, reason: 'token_require' },
    },
  },

  Kubernetes: {
    provider: {
      issuer: 'https://kubernetes.default.svc.cluster.local',
      audience: ['llm'],
      require: [{ claim: 'kubernetes.io.namespace', one_of: ['agents', 'jobs'] }],
    },
    header: { kid: 'k8s-1' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      aud: ['llm'],
      iss: 'https://kubernetes.default.svc.cluster.local',
      jti: 'ed',
      'kubernetes.io': {
        namespace: 'agents',
        node: { name: 'n1', uid: '1' },
        pod: { name: 'bot-0', uid: '2' },
        serviceaccount: { name: 'bot', uid: '3' },
      },
      nbf: now - 60,
      sub: 'system:serviceaccount:agents:bot',
    },
    admitted: { subject: 'system:serviceaccount:agents:bot', scopes: [] },
    wrong: {
      'for the API server': { claims: { aud: ['https://kubernetes.default.svc'] }, reason: 'token_audience' },
      'of another namespace': { claims: { 'kubernetes.io': { namespace: 'default' } }, reason: 'token_require' },
      'of the legacy form': { claims: { 'kubernetes.io': undefined, exp: undefined }, reason: 'token_no_expiry' },
    },
  },

  'Spring Authorization Server': {
    provider: { issuer: 'http://auth-server:9000', audience: ['messaging'] },
    header: { kid: 'spring-1' },
    keys: {},
    claims: {
      sub: 'messaging',
      aud: 'messaging',
      nbf: now - 60,
      scope: ['read', 'write'],
      iss: 'http://auth-server:9000',
    },
    admitted: { subject: 'messaging', scopes: ['read', 'write'] },
    wrong: {
      'of another client': { claims: { aud: 'other' }, reason: 'token_audience' },
      'of a subject that is no text': { claims: { sub: { name: 'messaging' } }, reason: 'token_claim_type' },
    },
  },

  Duende: {
    provider: {
      issuer: 'https://identity.example',
      audience: ['llm'],
      algorithms: ['RS256'],
      subject: ['sub', 'client_id'],
    },
    header: { kid: 'duende-1', typ: 'at+jwt' },
    keys: { use: 'sig', alg: 'RS256' },
    claims: { iss: 'https://identity.example', nbf: now, aud: 'llm', scope: ['llm'], client_id: 'm2m', jti: '9F' },
    admitted: { subject: 'm2m', scopes: ['llm'] },
    wrong: {
      'of nobody': { claims: { client_id: '' }, reason: 'token_no_subject' },
      'for logging out': { header: { typ: 'logout+jwt' }, reason: 'token_typ' },
      'of an algorithm that the operator left out': { alg: 'PS256', reason: 'token_provider_algorithm' },
    },
  },

  'an issuer with Ed25519 by its name of RFC 9864': {
    provider: { issuer: 'https://ed.example', audience: ['llm'], algorithms: ['Ed25519'] },
    alg: 'Ed25519',
    header: { kid: 'ed-1' },
    keys: { alg: 'Ed25519', use: 'sig' },
    claims: { iss: 'https://ed.example', aud: 'llm', sub: 's' },
    admitted: { subject: 's', scopes: [] },
    others: { 'the older name': { claims: {}, alg: 'EdDSA', as: { subject: 's' } } },
    wrong: { 'of another algorithm': { alg: 'RS256', reason: 'token_provider_algorithm' } },
  },
};
