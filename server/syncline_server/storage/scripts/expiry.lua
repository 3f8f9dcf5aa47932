-- Removes due buckets from the index and returns them: those whose earliest known expiry has passed.
--
-- The sweeper calls this before it reads the buckets, never after: a commit in between that sets an expiry puts its bucket
-- back on the index. Removed after the read, that entry would be lost.
--
-- KEYS[1]  `{service}:due`
-- ARGV     by name: latest, the latest clock of all masters in ms (a bucket may live on another master than this index);
--          count, how many at most
-- Returns  the moment up to which buckets are due, in ms; then the buckets, two hexadecimal digits each

local moment = text(math.max(tonumber(arguments.latest), now()))
local buckets = redis.call('ZRANGEBYSCORE', tag, '-inf', moment, 'LIMIT', 0, arguments.count)
if #buckets > 0 then
  redis.call('ZREM', tag, unpack(buckets))
end
table.insert(buckets, 1, moment)
return buckets
