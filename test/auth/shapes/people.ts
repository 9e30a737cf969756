// Issuers whose tokens people have: from their documentation, the details invented.

import { now, x5c, type Shape } from './shape.js';

const tenant = '8f1c7a36-0000-4000-8000-000000000001';

export const shapesOfPeople: { [issuer: string]: Shape } = {
  'AWS Cognito': {
    provider: {
      issuer: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example',
      audience: 'any',
      require: [
        { claim: 'token_use', equals: 'access' },
        { claim: 'client_id', one_of: ['57cbishk4j24pabc1234567890'] },
      ],
      scopes: ['scope', 'cognito:groups'],
    },
    header: { kid: 'cognito-1' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      sub: 'aaaabbbb-0000-4000-8000-000000000001',
      iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example',
      'cognito:groups': ['llm-users'],
      version: 2,
      client_id: '57cbishk4j24pabc1234567890',
      token_use: 'access',
      scope: 'aws.cognito.signin.user.admin',
      auth_time: now - 60,
      jti: 'bbbb',
      username: 'jane',
    },
    admitted: {
      subject: 'aaaabbbb-0000-4000-8000-000000000001',
      scopes: ['aws.cognito.signin.user.admin', 'llm-users'],
    },
    wrong: {
      'an ID token': { claims: { token_use: 'id', aud: '57cbishk4j24pabc1234567890' }, reason: 'token_require' },
      'of another client': { claims: { client_id: 'other' }, reason: 'token_require' },
      'without client_id': { claims: { client_id: undefined }, reason: 'token_require' },
    },
  },

  Clerk: {
    provider: {
      issuer: 'https://clerk.app.example',
      audience: 'any',
      require: [{ claim: 'azp', one_of: ['https://app.example'] }],
    },
    header: { kid: 'ins_1', typ: 'JWT', cat: 'cl_B7d4PD111AAA' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      iss: 'https://clerk.app.example',
      azp: 'https://app.example',
      nbf: now - 10,
      sid: 'sess_1',
      sub: 'user_1',
      fva: [1, -1],
      v: 2,
    },
    admitted: { subject: 'user_1', scopes: [] },
    wrong: {
      'for another page': { claims: { azp: 'https://app.example.evil' }, reason: 'token_require' },
      'not valid yet': { claims: { nbf: now + 60 }, reason: 'token_not_yet_valid' },
    },
  },

  'Microsoft Entra': {
    provider: {
      issuer: [`https://sts.windows.net/${tenant}/`, `https://login.microsoftonline.com/${tenant}/v2.0`],
      audience: ['api://llm', '11111111-0000-4000-8000-000000000002'],
      require: [{ claim: 'tid', equals: tenant }],
      subject: 'oid',
      scopes: ['roles', 'scp'],
    },
    header: { kid: 'entra-1', typ: 'JWT', x5t: 'entra-1' },
    keys: { use: 'sig', x5t: 'entra-1', x5c, issuer: `https://login.microsoftonline.com/${tenant}/v2.0` },
    claims: {
      aud: '11111111-0000-4000-8000-000000000002',
      iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
      nbf: now - 60,
      azp: '22222222-0000-4000-8000-000000000003',
      oid: '33333333-0000-4000-8000-000000000004',
      roles: ['Models.Read'],
      scp: 'chat',
      sub: 'pairwise',
      tid: tenant,
      ver: '2.0',
    },
    admitted: { subject: '33333333-0000-4000-8000-000000000004', scopes: ['Models.Read', 'chat'] },
    others: {
      'a token of version 1': {
        claims: { iss: `https://sts.windows.net/${tenant}/`, aud: 'api://llm', ver: '1.0', azp: undefined, appid: '2' },
        as: { issuer: `https://sts.windows.net/${tenant}/` },
      },
    },
    wrong: {
      'of another tenant': { claims: { iss: 'https://sts.windows.net/other/' }, reason: 'token_issuer' },
      'of a guest tenant': { claims: { tid: 'other' }, reason: 'token_require' },
      'for Microsoft Graph': { claims: { aud: '00000003-0000-0000-c000-000000000000' }, reason: 'token_audience' },
      'without oid': { claims: { oid: undefined }, reason: 'token_no_subject' },
      'with the symmetric algorithm of a client secret': { header: { alg: 'HS256' }, reason: 'token_algorithm' },
    },
  },

  Okta: {
    provider: {
      issuer: 'https://corp.okta.example/oauth2/default',
      audience: 'api://default',
      require: [{ claim: 'cid', equals: '0oabucvyc38HLL1ef0h7' }],
    },
    header: { kid: 'okta-1' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      ver: 1,
      jti: 'AT.0mP4',
      iss: 'https://corp.okta.example/oauth2/default',
      aud: 'api://default',
      cid: '0oabucvyc38HLL1ef0h7',
      uid: '00ubha6lgoqGJ6N8U0h7',
      scp: ['openid', 'models'],
      sub: 'alice@corp.example',
    },
    admitted: { subject: 'alice@corp.example', scopes: ['openid', 'models'] },
    wrong: {
      'of the org server': { claims: { iss: 'https://corp.okta.example' }, reason: 'token_issuer' },
      'of another client': { claims: { cid: ['0oabucvyc38HLL1ef0h7'] }, reason: 'token_require' },
    },
  },

  Auth0: {
    provider: { issuer: 'https://corp.auth0.example/', audience: ['llm-api'], scopes: ['scope', 'permissions'] },
    header: { kid: 'auth0-1', typ: 'JWT' },
    keys: { alg: 'RS256', use: 'sig', x5t: 'auth0-1', x5c },
    claims: {
      iss: 'https://corp.auth0.example/',
      sub: 'auth0|6123',
      aud: ['llm-api', 'https://corp.auth0.example/userinfo'],
      azp: 'client',
      scope: 'openid profile',
      permissions: ['read:models'],
    },
    admitted: { subject: 'auth0|6123', scopes: ['openid', 'profile', 'read:models'] },
    wrong: {
      'for userinfo alone': { claims: { aud: ['https://corp.auth0.example/userinfo'] }, reason: 'token_audience' },
      'of the issuer without its slash': { claims: { iss: 'https://corp.auth0.example' }, reason: 'token_issuer' },
      'of an audience that is a number': { claims: { aud: ['llm-api', 1] }, reason: 'token_claim_type' },
    },
  },

  Keycloak: {
    provider: {
      issuer: 'https://kc.example/realms/corp',
      audience: ['llm'],
      require: [{ claim: 'realm_access.roles', contains: 'llm-user' }],
      subject: 'preferred_username',
      scopes: ['scope', 'realm_access.roles', 'resource_access.llm.roles'],
    },
    header: { kid: 'kc-1', typ: 'JWT' },
    keys: (jwk) => [
      { ...jwk, use: 'enc', alg: 'RSA-OAEP', x5c },
      ...['RS256', 'RS384', 'RS512'].map((alg) => ({ ...jwk, use: 'sig', alg, x5c })),
    ],
    claims: {
      jti: '4a',
      iss: 'https://kc.example/realms/corp',
      aud: ['llm', 'account'],
      sub: '5b',
      typ: 'Bearer',
      azp: 'cli',
      sid: '6c',
      acr: '1',
      'allowed-origins': ['https://app.example'],
      realm_access: { roles: ['offline_access', 'llm-user', 'Domain Users'] },
      resource_access: { llm: { roles: ['chat'] }, account: { roles: ['view-profile'] } },
      scope: 'email profile',
      email_verified: true,
      preferred_username: 'alice',
    },
    admitted: { subject: 'alice', scopes: ['email', 'profile', 'offline_access', 'llm-user', 'chat'] },
    others: {
      'the same key for RS384': { claims: {}, alg: 'RS384', as: { subject: 'alice' } },
      'the same key for RS512': { claims: {}, alg: 'RS512', as: { subject: 'alice' } },
    },
    wrong: {
      'of the algorithm that the key is not listed for': { alg: 'PS256', reason: 'token_no_fitting_key' },
      'without the role': { claims: { realm_access: { roles: ['llm'] } }, reason: 'token_require' },
      'with roles as text': { claims: { realm_access: { roles: 'llm-user' } }, reason: 'token_require' },
      'with the role at the top': { claims: { realm_access: undefined, roles: ['llm-user'] }, reason: 'token_require' },
    },
  },

  Google: {
    provider: {
      issuer: ['https://accounts.google.example', 'accounts.google.example'],
      audience: ['1234.apps.googleusercontent.example'],
      require: [
        { claim: 'hd', equals: 'corp.example' },
        { claim: 'email_verified', equals: true },
      ],
      subject: 'email',
    },
    header: { kid: 'google-1', typ: 'JWT' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      iss: 'https://accounts.google.example',
      azp: '1234.apps.googleusercontent.example',
      aud: '1234.apps.googleusercontent.example',
      sub: '110169484474386276334',
      hd: 'corp.example',
      email: 'alice@corp.example',
      email_verified: true,
      at_hash: 'HK6E',
    },
    admitted: { subject: 'alice@corp.example', scopes: [] },
    others: {
      'the issuer without its scheme': {
        claims: { iss: 'accounts.google.example' },
        as: { issuer: 'accounts.google.example' },
      },
    },
    wrong: {
      'of a private account': { claims: { hd: undefined }, reason: 'token_require' },
      'of an address that nobody verified': { claims: { email_verified: 'true' }, reason: 'token_require' },
      'without address': { claims: { email: '' }, reason: 'token_no_subject' },
    },
  },

  Supabase: {
    provider: {
      issuer: 'https://abc.supabase.example/auth/v1',
      audience: ['authenticated'],
      require: [{ claim: 'is_anonymous', equals: false }],
      scopes: ['role', 'app_metadata.roles'],
    },
    alg: 'ES256',
    header: { kid: 'supabase-1', typ: 'JWT' },
    keys: { alg: 'ES256', ext: true, key_ops: ['verify'] },
    claims: {
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: now }],
      app_metadata: { provider: 'email', roles: ['chat'] },
      aud: 'authenticated',
      email: 'a@b.example',
      is_anonymous: false,
      iss: 'https://abc.supabase.example/auth/v1',
      role: 'authenticated',
      session_id: '7d',
      sub: '8e',
      user_metadata: {},
    },
    admitted: { subject: '8e', scopes: ['authenticated', 'chat'] },
    wrong: {
      'of an anonymous user': { claims: { is_anonymous: true }, reason: 'token_require' },
      'with the legacy secret': { header: { alg: 'HS256' }, reason: 'token_algorithm' },
      'for anonymous users': { claims: { aud: 'anon' }, reason: 'token_audience' },
    },
  },

  'Cloudflare Access': {
    provider: {
      issuer: 'https://team.cloudflareaccess.example',
      audience: ['32eafc7626e7'],
      subject: ['email', 'common_name'],
      header: 'Cf-Access-Jwt-Assertion',
    },
    header: { kid: 'cf-1', typ: 'JWT' },
    keys: { alg: 'RS256', use: 'sig' },
    claims: {
      aud: ['32eafc7626e7'],
      email: 'alice@corp.example',
      nbf: now - 60,
      iss: 'https://team.cloudflareaccess.example',
      type: 'app',
      identity_nonce: '6e',
      sub: '7f',
      country: 'DE',
    },
    admitted: { subject: 'alice@corp.example', scopes: [] },
    others: {
      'a service token': {
        claims: { email: undefined, sub: '', common_name: 'e367826f93b8.access' },
        as: { subject: 'e367826f93b8.access' },
      },
    },
    wrong: {
      'of another application': { claims: { aud: ['0'] }, reason: 'token_audience' },
      'of nobody': { claims: { email: undefined, sub: '' }, reason: 'token_no_subject' },
      'of an address that is a list': { claims: { email: ['a', 'b'] }, reason: 'token_claim_type' },
    },
  },
};
