-- One change to the parked webhooks of a service: a hash of records by id, and an index in the order of ids.
--
-- KEYS[1]  `{service}:webhooks:parked`
-- ARGV     verb, id, then by verb:
--          "park"  record, how many may be parked; beyond it the first by id are dropped
--          "drop"
-- Returns  "park": how many were dropped; "drop": 1 if the id was parked, else 0

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
