/** Access tokens, signed without the server. */

import { createHmac } from "node:crypto";

/**
 * An access token as the vendor's helpers mint it.
 *
 * @param {{ accountSid: string, apiKeySid: string, apiKeySecret: string }} account
 * @param {{ identity: string, service: string, ttl: number }} holder `ttl`: seconds of this
 *     machine's time
 */
export function mintToken(account, { identity, service, ttl }) {
  const now = Math.floor(Date.now() / 1_000);
  const parts = [
    { cty: "twilio-fpa;v=1", typ: "JWT", alg: "HS256" },
    {
      jti: `${account.apiKeySid}-${now}`,
      iss: account.apiKeySid,
      sub: account.accountSid,
      nbf: now,
      exp: now + Math.ceil(ttl),
      grants: { identity, data_sync: { service_sid: service } },
    },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = createHmac("sha256", account.apiKeySecret).update(parts.join("."));
  return [...parts, signature.digest("base64url")].join(".");
}
