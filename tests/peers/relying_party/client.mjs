// A foreign relying party: openid-client with its defaults, told what to do by lines of JSON and answering in lines of JSON.
//
//   node client.mjs     {"do": "discover", "issuer": …} → {"ok": …}, or {"error", "status", "code"} when it was refused
//
// Nothing here knows of this project. allowInsecureRequests is openid-client's own switch for an issuer without TLS.
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

let config;
let flow;

const commands = {
  async discover({ issuer, clientId, secret, method }) {
    const authentication = method === 'post' ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret);
    const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
    config = await client.discovery(new URL(issuer), clientId, secret, authentication, options);
    return { supportsPKCE: config.serverMetadata().supportsPKCE() };
  },

  async begin({ redirectUri, parameters }) {
    flow = { verifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() };
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid profile email offline_access',
      code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: 'S256',
      state: flow.state,
      nonce: flow.nonce,
      ...parameters,
    });
    return { url: url.href };
  },

  async complete({ url, verifier, maxAge }) {
    const tokens = await client.authorizationCodeGrant(config, new URL(url), {
      pkceCodeVerifier: verifier ?? flow.verifier,
      expectedState: flow.state,
      expectedNonce: flow.nonce,
      idTokenExpected: true,
      maxAge,
    });
    return { ...tokens, claims: tokens.claims() };
  },

  async refresh({ token, parameters }) {
    const tokens = await client.refreshTokenGrant(config, token, parameters);
    return { ...tokens, claims: tokens.claims() };
  },

  userinfo: ({ token, subject }) => client.fetchUserInfo(config, token, subject),
  revoke: async ({ token }) => ((await client.tokenRevocation(config, token)) ?? null),
  endSession: ({ parameters }) => ({ url: client.buildEndSessionUrl(config, parameters).href }),
};

// The library's errors carry the answer's own words in different places.
const described = (error) => ({
  error: error.error ?? error.cause?.find?.((challenge) => challenge.parameters)?.parameters.error ?? error.code,
  status: error.status ?? null,
  code: error.cause?.code ?? null,
  message: error.cause?.message ?? error.message,
});

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await commands[name](parameters) };
  } catch (error) {
    answer = described(error);
  }
  console.log(JSON.stringify(answer));
}
