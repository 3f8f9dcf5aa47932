-- Takes buckets off the index of those that may hold documents, where they hold none.
--
-- Reaches into the buckets of the service: not for a Cluster.
--
-- KEYS[1]  `{service}`
-- ARGV     buckets, two hexadecimal digits each
-- Returns  how many were taken off

local prefix, service = KEYS[1]:match('^(.*){(.-)}$')
local removed = 0
for _, bucket in ipairs(ARGV) do
  if redis.call('ZCARD', prefix .. '{' .. service .. ':' .. bucket .. '}:documents') == 0 then
    removed = removed + redis.call('HDEL', KEYS[1] .. ':filled', bucket)
  end
end
return removed
