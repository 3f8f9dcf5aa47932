-- Removes a bucket from the index of buckets that may hold webhooks, unless its score has changed: then a commit queued
-- another webhook after the caller looked, and the bucket must stay.
--
-- KEYS[1]  the index
-- ARGV     by name: bucket; score, as the caller saw it
-- Returns  1 if the bucket was removed, else 0

if redis.call('ZSCORE', tag, arguments.bucket) ~= arguments.score then
  return 0
end
return redis.call('ZREM', tag, arguments.bucket)
