-- Removes an object that is past its expiry; leaves any other alone.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/*.lua
-- Returns  {"absent", name}, as `target`

local object = find()
if not object then
  -- An entry of the index whose object is gone already would be swept again and again.
  redis.call('ZREM', tag .. ':expiries', arguments.sid)
elseif is_past(object) then
  drop(object, 'system', true)
end
return answered({'absent', orphan})
