-- One change to the webhooks of a service that are parked: in a hash by id, and in an index in the order of ids.
--
-- KEYS[1]  `{service}:webhooks:parked`
-- ARGV     verb, id, then by verb:
--          "park"  record, how many there may be: beyond, the first by id give way
--          "drop"
-- Returns  "park": how many gave way; "drop": 1 if it was there, else 0

local verb, id = ARGV[1], ARGV[2]
local RECORDS, INDEX = KEYS[1], KEYS[1] .. ':index'

local function drop(which)
  local count = redis.call('HDEL', RECORDS, which)
  redis.pcall('ZREM', INDEX, which)
  return count
end

if verb == 'drop' then
  return drop(id)
end

redis.call('ZADD', INDEX, 0, id)
redis.call('HSET', RECORDS, id, ARGV[3])
local excess = redis.call('ZCARD', INDEX) - tonumber(ARGV[4])
if excess <= 0 then
  return 0
end
for _, oldest in ipairs(redis.call('ZRANGE', INDEX, 0, excess - 1)) do
  drop(oldest)
end
return excess
