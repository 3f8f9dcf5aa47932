-- Takes a bucket off the index of those that may hold webhooks, unless it was noted anew since that was looked at.
--
-- KEYS[1]  the index
-- ARGV     the bucket, its score as it was seen
-- Returns  1 if it was taken off, else 0

if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
