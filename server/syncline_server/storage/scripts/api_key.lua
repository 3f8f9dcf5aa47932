-- One change to the set of API keys. Each change writes a new version; other processes see it and read the keys again.
--
-- KEYS[1]  `{syncline}`
-- ARGV     by name: verb, version (the new one), sid, then by verb:
--          "add"     record (JSON); limit, how many keys there may be; fingerprint of the master key that encrypts its secret,
--                    absent = its secret is not encrypted
--          "revoke"  known, "1" if the caller knows the key from elsewhere; limit, how many revoked keys are remembered
-- Returns  "ok" | "full" | "other" (stored secrets are encrypted under another master key) | "absent"

local sid, limit = arguments.sid, tonumber(arguments.limit)
local API_KEYS, REVOKED, MASTER = tag .. ':keys', tag .. ':revoked', tag .. ':master'

if arguments.verb == 'add' then
  local fingerprint = arguments.fingerprint
  if redis.call('HLEN', API_KEYS) >= limit then
    return 'full'
  end
  if fingerprint then
    local master = redis.call('GET', MASTER)
    if master and master ~= fingerprint then
      return 'other'
    end
  end
  redis.call('HSET', API_KEYS, sid, arguments.record)
  if fingerprint then
    redis.pcall('SET', MASTER, fingerprint)
  end
else
  local is_known = redis.call('HEXISTS', API_KEYS, sid) == 1
    or (arguments.known and not redis.call('ZSCORE', REVOKED, sid))
  if not is_known then
    return 'absent'
  end
  -- In microseconds: the earliest of many that were revoked within a millisecond is forgotten first.
  local time = redis.call('TIME')
  -- This write alone revokes the key. `pcall` from here on: the revocation must be answered as applied.
  redis.call('ZADD', REVOKED, time[1] * 1000 + time[2] / 1000, sid)
  redis.pcall('HDEL', API_KEYS, sid)
  redis.pcall('ZREMRANGEBYRANK', REVOKED, 0, -limit - 1)
  if redis.call('EXISTS', API_KEYS) == 0 then
    redis.pcall('DEL', MASTER)
  end
end
redis.pcall('SET', tag .. ':keys-version', arguments.version)
return 'ok'
