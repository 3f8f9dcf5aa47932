-- One change to the parked webhooks of a service: a hash of records by id, and an index in the order of ids.
--
-- KEYS[1]  `{service}:webhooks:parked`
-- ARGV     by name: verb, id, then by verb:
--          "park"  record; limit, how many may be parked: beyond it the first by id are dropped
--          "drop"
-- Returns  "park": how many were dropped; "drop": 1 if the id was parked, else 0

local id = arguments.id
local RECORDS, INDEX = tag, tag .. ':index'

local function drop(which)
  local count = redis.call('HDEL', RECORDS, which)
  redis.pcall('ZREM', INDEX, which)
  return count
end

if arguments.verb == 'drop' then
  return drop(id)
end

redis.call('ZADD', INDEX, 0, id)
redis.call('HSET', RECORDS, id, arguments.record)
local excess = redis.call('ZCARD', INDEX) - arguments.limit
if excess <= 0 then
  return 0
end
for _, oldest in ipairs(redis.call('ZRANGE', INDEX, 0, excess - 1)) do
  drop(oldest)
end
return excess
