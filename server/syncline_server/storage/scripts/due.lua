-- Takes the buckets whose earliest known expiry has come off the index, at most so many.
--
-- Taken first and looked at after: an expiry that is committed meanwhile puts its bucket back.
--
-- KEYS[1]  `{service}:due`
-- ARGV     now in ms, how many at most
-- Returns  buckets, two hexadecimal digits each

local buckets = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #buckets > 0 then
  redis.call('ZREM', KEYS[1], unpack(buckets))
end
return buckets
