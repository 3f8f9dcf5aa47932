-- Binds an operation id to one bucket, for a bounded time. Only needed on a Cluster.
--
-- KEYS[1]  `{service:bucket}`, where the operation id alone decides the bucket
-- ARGV     operation id, the bucket that it writes to, ms for which the claim lasts
-- Returns  1, or 0 if the operation id is bound to another bucket

local key = KEYS[1] .. ':claim:' .. ARGV[1]
local bound = redis.call('GET', key)
if bound and bound ~= ARGV[2] then
  return 0
end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return 1
