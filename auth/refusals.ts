// What a client is told for each reason: HTTP status, error type, code and message, in the order in which the checks
// run. auth/answer.ts makes the challenge.

/** One row: what a client is told for a reason. */
export interface Refusal {
  status: number;
  /** `error.type` of the body, in the words that the OpenAI and Anthropic SDKs know. */
  type: string;
  /** `error.code` of the body. */
  code: string;
  /** A fixed ASCII phrase; never holds anything that the client sent. */
  message: string;
}

const invalidRequest = (status: number, message: string): Refusal => ({
  status,
  type: 'invalid_request_error',
  code: 'invalid_request',
  message,
});

const invalidKey = (message: string): Refusal => ({
  status: 401,
  type: 'authentication_error',
  code: 'invalid_api_key',
  message,
});

const invalidToken = (message: string): Refusal => ({
  status: 401,
  type: 'authentication_error',
  code: 'invalid_token',
  message,
});

const invalidCertificate = (message: string): Refusal => ({
  status: 401,
  type: 'authentication_error',
  code: 'invalid_certificate',
  message,
});

const unavailable = (code: string, message: string): Refusal => ({
  status: 503,
  type: 'overloaded_error',
  code,
  message,
});

const failure = (status: number, code: string, message: string): Refusal => ({
  status,
  type: 'api_error',
  code,
  message,
});

const nothingHere: Refusal = {
  status: 404,
  type: 'not_found_error',
  code: 'not_found',
  message: 'There is nothing at this path.',
};

const tokenFormat = 'The token is not a well-formed JWT.';
const tokenKey = 'The token was not signed by a key that is trusted here.';

const makeTable = () =>
  ({
    // The request itself.
    location_not_configured: failure(500, 'location_not_configured', 'This location is not set up for authentication.'),
    bad_target: invalidRequest(
      400,
      'The request target holds a backslash, a space, a fragment or a control character.',
    ),
    identity_header: invalidRequest(400, 'Identity headers such as X-Auth-User are not for clients to send.'),
    bad_host: invalidRequest(400, 'The Host header holds a character other than letters, digits and . - _ : [ ].'),
    plain_http: invalidRequest(400, 'This port speaks https:// only.'),
    bad_request: invalidRequest(400, 'The request could not be understood.'),
    hidden_route: nothingHere,
    method_not_allowed: {
      status: 405,
      type: 'invalid_request_error',
      code: 'method_not_allowed',
      message: 'This path does not take this method.',
    },
    request_too_large: {
      status: 413,
      type: 'request_too_large',
      code: 'request_too_large',
      message: 'The request body is too large.',
    },
    rate_limited: {
      status: 429,
      type: 'rate_limit_error',
      code: 'rate_limited',
      message: 'Too many requests. Wait for the time that Retry-After gives.',
    },

    key_rate_limited: {
      status: 429,
      type: 'rate_limit_error',
      code: 'rate_limited',
      message: 'This credential has sent too many requests. Wait for the time that Retry-After gives.',
    },

    // Reading the credential.
    missing_credential: {
      status: 401,
      type: 'authentication_error',
      code: 'missing_credential',
      message: 'No API key or token was sent. Send it as "Authorization: Bearer ..." or "x-api-key: ...".',
    },
    doubled_header: invalidRequest(400, 'A credential header was sent more than once.'),
    subprotocols_too_long: invalidRequest(400, 'Sec-WebSocket-Protocol offers too much beside the key.'),
    two_credentials: invalidRequest(400, 'Two different credentials were sent. Send one.'),
    unsupported_scheme: invalidKey('The Authorization scheme is not supported. Use Bearer.'),
    malformed_credential: invalidKey('The credential holds a character that no API key or token has.'),
    credential_too_long: invalidKey('The credential is too long.'),

    // JWT: form (RFC 7515, RFC 7519 section 7.2).
    token_too_long: invalidToken(tokenFormat),
    token_not_three_parts: invalidToken(tokenFormat),
    token_bad_base64url: invalidToken(tokenFormat),
    token_header_not_json: invalidToken(tokenFormat),
    token_payload_not_json: invalidToken(tokenFormat),
    token_nested_too_deep: invalidToken(tokenFormat),
    token_header_invalid: invalidToken(tokenFormat),
    token_encrypted: invalidToken('Encrypted tokens are not supported.'),
    token_typ: invalidToken('The token is of a type that is not accepted here.'),
    token_crit: invalidToken('The token asks for an extension that is not supported.'),
    token_algorithm: invalidToken('The token is signed with an algorithm that is not accepted here.'),

    // JWT: key and signature.
    token_issuer: invalidToken('The token was issued by somebody who is not trusted here.'),
    token_provider: invalidToken('The token was issued by somebody who is not trusted at this path.'),
    token_provider_algorithm: invalidToken(
      'The token is signed with an algorithm that its issuer is not known to use.',
    ),
    token_kid_denied: invalidToken(tokenKey),
    token_unknown_kid: invalidToken(tokenKey),
    token_no_fitting_key: invalidToken(tokenKey),
    token_ambiguous_key: invalidToken(tokenKey),
    token_signature_length: invalidToken('The signature of the token is not valid.'),
    token_signature: invalidToken('The signature of the token is not valid.'),

    // JWT: claims (RFC 7519 section 4.1).
    token_claim_type: invalidToken('A claim of the token has the wrong type.'),
    token_no_expiry: invalidToken('The token has no expiry time.'),
    token_expired: invalidToken('The token has expired.'),
    token_not_yet_valid: invalidToken('The token is not valid yet.'),
    token_issued_in_future: invalidToken('The token was issued in the future.'),
    token_audience: invalidToken('The token was issued for somebody else.'),
    token_confirmation: invalidToken('Tokens bound to a key of the client are not supported.'),
    token_certificate: invalidToken('The token is bound to a client certificate that was not presented.'),
    token_require: invalidToken('The token does not say what is required of tokens of its issuer.'),
    token_no_subject: invalidToken('The token has no subject.'),
    token_subject: invalidToken('The subject of the token is too long or holds a character that is not allowed.'),
    token_revoked: invalidToken('The token has been revoked.'),
    token_not_accepted: invalidToken('A token can not be exchanged for another. Send an API key.'),

    // API keys.
    unknown_key: invalidKey('The API key is not valid.'),
    expired_key: invalidKey('The API key has expired.'),

    // Client certificates.
    unusable_certificate: invalidCertificate('The client certificate can not be read.'),
    unknown_certificate: invalidCertificate(
      'The client certificate is not known here, and no other credential was sent.',
    ),
    expired_certificate: invalidCertificate('The client certificate no longer holds.'),

    // What the credential may do.
    insufficient_scope: {
      status: 403,
      type: 'permission_error',
      code: 'insufficient_scope',
      message: 'The credential does not hold the scope that is needed here.',
    },
    forbidden: {
      status: 403,
      type: 'permission_error',
      code: 'forbidden',
      message: 'Access is not allowed.',
    },
    invalid_scope: {
      status: 400,
      type: 'invalid_request_error',
      code: 'invalid_scope',
      message: 'The scope that was asked for is not held by the API key.',
    },
    invalid_ttl: invalidRequest(400, 'ttl must be a whole number of seconds within the allowed range.'),
    invalid_token_request: invalidRequest(
      400,
      'The body must be a JSON object or a form with ttl and scope, or empty.',
    ),

    // Our own failures: never a 401.
    verifier_unavailable: unavailable('verifier_unavailable', 'The key could not be checked just now. Try again.'),
    verifier_busy: unavailable('verifier_unavailable', 'Too many keys are being checked just now. Try again.'),
    keys_unavailable: unavailable(
      'keys_unavailable',
      'The keys needed to check this are not available just now. Try again.',
    ),
    limits_unavailable: unavailable(
      'overloaded',
      'The limit of this credential could not be kept just now. Try again.',
    ),
    decision_unavailable: unavailable(
      'overloaded',
      'The gateway could not decide about this request just now. Try again.',
    ),
    no_signing_key: unavailable('no_signing_key', 'No token can be issued just now. Try again.'),
    failed_after_decision: failure(500, 'internal_error', 'The gateway failed to pass this request on.'),
    internal_error: failure(500, 'internal_error', 'The gateway failed to decide about this request.'),
    upstream_unavailable: failure(502, 'upstream_unavailable', 'The service behind the gateway is not available.'),
    upstream_timeout: failure(504, 'upstream_timeout', 'The service behind the gateway did not answer in time.'),
  }) as const satisfies Record<string, Refusal>;

/** Why a request is refused: the closed set that logs and metrics show. */
export type Reason = keyof ReturnType<typeof makeTable>;

const made: { table: ReturnType<typeof makeTable> | undefined } = { table: undefined };

/** The table, made when it is first needed: nginx's old engine runs top-level code on every request. */
export function refusals(): ReturnType<typeof makeTable> {
  return made.table || (made.table = makeTable());
}

/** Whether a value from elsewhere (a variable of nginx, the sidecar) is a reason. */
export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.prototype.hasOwnProperty.call(refusals(), value);
}
