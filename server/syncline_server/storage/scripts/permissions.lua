-- Sets what an identity may do with one object, or takes its permission away, and tells those that hold it open.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     SID, caller's clock in ms, identity, rights ("" = take away), "PUBLISH" | "SPUBLISH"
-- Returns  {"ok"} | {"absent"} (no such object) | {"none"} (nothing to take away)

local tag, sid, identity, rights = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local PERMISSIONS, IDENTITIES = tag .. ':permissions:' .. sid, tag .. ':identities:' .. sid

local expires = redis.call('HGET', tag .. ':document:' .. sid, 'x')
local time = redis.call('TIME')
local now = math.max(tonumber(ARGV[2]), time[1] * 1000 + math.floor(time[2] / 1000))
if not expires or (expires ~= '' and tonumber(expires) <= now) then
  return {'absent'}
end

if rights ~= '' then
  redis.call('HSET', PERMISSIONS, identity, rights)
  redis.call('ZADD', IDENTITIES, 0, identity)
elseif redis.call('HDEL', PERMISSIONS, identity) == 1 then
  redis.call('ZREM', IDENTITIES, identity)
  rights = '0'
else
  return {'none'}
end
redis.call(ARGV[5], tag .. ':event:' .. sid, cjson.encode({kind = 'rights', sid = sid, identity = identity, rights = rights}))
return {'ok'}
