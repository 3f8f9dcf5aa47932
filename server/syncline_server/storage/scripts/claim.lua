-- Binds an operation id to one bucket, for a bounded time. Only needed on a Cluster.
--
-- KEYS[1]  `{service:bucket}`, where the operation id alone decides the bucket
-- ARGV     by name: operation, its id; bucket, where it writes; ms, for which the claim lasts
-- Returns  1, or 0 if the operation id is bound to another bucket

local key = tag .. ':claim:' .. arguments.operation
local bound = redis.call('GET', key)
if bound and bound ~= arguments.bucket then
  return 0
end
redis.call('SET', key, arguments.bucket, 'PX', arguments.ms)
return 1
