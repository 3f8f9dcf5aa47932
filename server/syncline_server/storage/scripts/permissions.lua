-- Sets or removes the permission of one identity for one object, and notifies the object's subscribers.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/{object,publish}.lua, and
--          identity
--          rights    as bits; absent = remove the permission
-- Returns  {"ok"} | {"absent"} (no such object) | {"none"} (no permission to remove)

local object = find()
if not object or is_past(object) then
  return {'absent'}
end
local sid, identity, rights = object[SID], arguments.identity, arguments.rights
if rights then
  redis.call('HSET', tag .. ':permissions:' .. sid, identity, rights)
  also(redis.call, 'ZADD', tag .. ':identities:' .. sid, 0, identity)
elseif redis.call('HDEL', tag .. ':permissions:' .. sid, identity) == 1 then
  also(redis.call, 'ZREM', tag .. ':identities:' .. sid, identity)
else
  return {'none'}
end
announce(sid, {kind = 'rights', identity = identity, rights = rights or '0'}, '')
return answered({'ok'})
