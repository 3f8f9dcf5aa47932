-- Removes empty buckets from the index of buckets that may hold documents.
--
-- Checks again that each is empty, in the same step: a document may have been created since the caller looked. That reads
-- keys of other slots, so this script does not run on a Cluster.
--
-- KEYS[1]  `{service}`
-- ARGV     buckets, two hexadecimal digits each
-- Returns  how many were removed

local prefix, service = KEYS[1]:match('^(.*){(.-)}$')
local removed = 0
for _, bucket in ipairs(ARGV) do
  if redis.call('ZCARD', prefix .. '{' .. service .. ':' .. bucket .. '}:documents') == 0 then
    removed = removed + redis.call('HDEL', KEYS[1] .. ':filled', bucket)
  end
end
return removed
