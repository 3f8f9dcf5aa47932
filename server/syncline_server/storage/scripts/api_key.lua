-- One change to the set of API keys. Each change writes a new version; other processes see it and read the keys again.
--
-- KEYS[1]  `{syncline}`
-- ARGV     verb, the new version, SID, then by verb:
--          "add"     record (JSON), how many keys there may be, the fingerprint of the master key that
--                    encrypts its secret ("" = its secret is not encrypted)
--          "revoke"  "1" if the caller knows the key from elsewhere, how many revoked keys are remembered
-- Returns  "ok" | "full" | "other" (stored secrets are encrypted under another master key) | "absent"

local tag, verb, version, sid = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local API_KEYS, REVOKED, MASTER = tag .. ':keys', tag .. ':revoked', tag .. ':master'

if verb == 'add' then
  local record, limit, fingerprint = ARGV[4], tonumber(ARGV[5]), ARGV[6]
  if redis.call('HLEN', API_KEYS) >= limit then
    return 'full'
  end
  if fingerprint ~= '' then
    local master = redis.call('GET', MASTER)
    if master and master ~= fingerprint then
      return 'other'
    end
  end
  redis.call('HSET', API_KEYS, sid, record)
  if fingerprint ~= '' then
    redis.pcall('SET', MASTER, fingerprint)
  end
else
  local is_known = redis.call('HEXISTS', API_KEYS, sid) == 1
    or (ARGV[4] == '1' and not redis.call('ZSCORE', REVOKED, sid))
  if not is_known then
    return 'absent'
  end
  local time = redis.call('TIME')
  -- This write alone revokes the key. `pcall` from here on: the revocation must be answered as applied.
  redis.call('ZADD', REVOKED, time[1] * 1000 + time[2] / 1000, sid)
  redis.pcall('HDEL', API_KEYS, sid)
  redis.pcall('ZREMRANGEBYRANK', REVOKED, 0, -tonumber(ARGV[5]) - 1)
  if redis.call('EXISTS', API_KEYS) == 0 then
    redis.pcall('DEL', MASTER)
  end
end
redis.pcall('SET', tag .. ':keys-version', version)
return 'ok'
