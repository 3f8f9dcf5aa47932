-- Removes a bucket from the index of buckets that may hold webhooks, unless its score has changed: then a commit queued
-- another webhook after the caller looked, and the bucket must stay.
--
-- KEYS[1]  the index
-- ARGV     the bucket, its score as the caller saw it
-- Returns  1 if the bucket was removed, else 0

if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
