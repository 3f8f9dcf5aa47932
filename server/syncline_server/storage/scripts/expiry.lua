-- Takes the buckets whose earliest known expiry has come off the index, at most so many.
--
-- Taken first and looked at after: an expiry that is committed meanwhile puts its bucket back.
--
-- KEYS[1]  `{service}:due`
-- ARGV     the latest clock of all masters in ms (the documents may be in the care of another one than this index),
--          how many at most
-- Returns  the moment up to which that was looked for, in ms; then the buckets, two hexadecimal digits each

local time = redis.call('TIME')
local now = string.format('%.0f', math.max(tonumber(ARGV[1]), time[1] * 1000 + math.floor(time[2] / 1000)))
local buckets = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
if #buckets > 0 then
  redis.call('ZREM', KEYS[1], unpack(buckets))
end
table.insert(buckets, 1, now)
return buckets
