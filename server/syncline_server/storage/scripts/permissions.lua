-- Sets or removes the permission of one identity for one object, and notifies the object's subscribers.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     SID, identity, rights as bits ("" = remove the permission), "PUBLISH" | "SPUBLISH", a blank, and the middle of the
--          channel's name
-- Returns  {"ok"} | {"absent"} (no such object) | {"none"} (no permission to remove). A second element after "ok" holds, in
--          Redis' words, what Redis refused after the permission was written.

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

-- Runs a command that follows the first write, as in document.lua: a change that was applied is never answered as failed.
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
