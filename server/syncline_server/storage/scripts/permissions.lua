-- Sets what an identity may do with one object, or takes its permission away, and tells those that hold it open.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     SID, identity, rights ("" = take away), "PUBLISH" | "SPUBLISH" and the middle of the channel's name with a blank
--          between
-- Returns  {"ok"} | {"absent"} (no such object) | {"none"} (nothing to take away); with "ok" what Redis refused after the
--          permission was written, in its words

local tag, sid, identity, rights = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local publish, channel = ARGV[4]:match('^(%S+) (.*)$')
local PERMISSIONS, IDENTITIES = tag .. ':permissions:' .. sid, tag .. ':identities:' .. sid

local expires = redis.call('HGET', tag .. ':document:' .. sid, 'x')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not expires or (expires ~= '' and tonumber(expires) <= now) then
  return {'absent'}
end

local answer = {'ok'}

-- What was applied must not be answered as failed: as in document.lua.
local function also(...)
  local result = redis.pcall(...)
  if type(result) == 'table' and result.err then
    answer[2] = result.err
  end
end

if rights ~= '' then
  redis.call('HSET', PERMISSIONS, identity, rights)
  also('ZADD', IDENTITIES, 0, identity)
elseif redis.call('HDEL', PERMISSIONS, identity) == 1 then
  also('ZREM', IDENTITIES, identity)
  rights = '0'
else
  return {'none'}
end
also(publish, tag .. channel .. sid, cjson.encode({kind = 'rights', sid = sid, identity = identity, rights = rights}))
return answer
