// A foreign OpenID Provider on a free loopback port: node-oidc-provider with its own pages, and next to no settings.
//
//   node server.mjs REDIRECT_URI     prints its issuer URL in one line, and ends when its standard input does
//
// Everybody may sign in under any name with any password. A line "roles NAME a b" on standard input gives somebody other roles. Its clients differ in what an access token is:
//   jwt      a JWT for the audience RESOURCE, with the roles in a nested claim
//   opaque   the provider's own default: a reference that only the provider can read
//   steady   opaque, and refresh tokens that stay the same
// With -brief after its name, a client's access tokens live two seconds.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const RESOURCE = 'https://harbour.example/api';
const SECRET = 'a secret of the foreign provider, with % and : in it';
const redirectUri = process.argv[2];

const client = (id) => ({
  client_id: id,
  client_secret: SECRET,
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
});

const roles = new Map();
const person = (login) => ({
  sub: login,
  name: `${login} from elsewhere`,
  email: `${login}@elsewhere.example`,
  realm_access: { roles: roles.get(login) ?? ['tenant_admin', 'crane-operator'] },
});

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const configuration = {
  clients: ['jwt', 'opaque', 'steady', 'jwt-brief', 'opaque-brief', 'steady-brief'].map(client),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'foreign' }] },
  cookies: { keys: ['only for tests'] },
  claims: { openid: ['sub'], email: ['email'], profile: ['name', 'realm_access'] },
  findAccount: (ctx, login) => ({ accountId: login, claims: () => person(login) }),
  extraTokenClaims: (ctx, token) => person(token.accountId),
  rotateRefreshToken: (ctx) => !ctx.oidc.client.clientId.startsWith('steady'),
  ttl: { AccessToken: (ctx, token, { clientId }) => (clientId.endsWith('-brief') ? 2 : 3600) },
  features: {
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, { clientId }) => (clientId.startsWith('jwt') ? RESOURCE : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '',
        audience: RESOURCE,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(`issuer ${issuer}`);
});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [, login, ...given] = line.split(' ');
    roles.set(login, given);
    console.log('done');
  })
  .on('close', () => process.exit());
