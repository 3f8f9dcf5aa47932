-- Removes due buckets from the index and returns them: those whose earliest known expiry has passed.
--
-- The sweeper calls this before it reads the buckets, never after: a commit in between that sets an expiry puts its bucket
-- back on the index. Removed after the read, that entry would be lost.
--
-- KEYS[1]  `{service}:due`
-- ARGV     latest clock of all masters in ms (a bucket may live on another master than this index), how many at most
-- Returns  the moment up to which buckets are due, in ms; then the buckets, two hexadecimal digits each

local time = redis.call('TIME')
local now = string.format('%.0f', math.max(tonumber(ARGV[1]), time[1] * 1000 + math.floor(time[2] / 1000)))
local buckets = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
if #buckets > 0 then
  redis.call('ZREM', KEYS[1], unpack(buckets))
end
table.insert(buckets, 1, now)
return buckets
