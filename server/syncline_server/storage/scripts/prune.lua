-- Removes empty buckets from the index of buckets that may hold objects.
--
-- Checks again that each is empty, in the same step: an object may have been created since the caller looked. That reads
-- keys of other slots, so this script does not run on a Cluster.
--
-- KEYS[1]  `{service}`
-- ARGV     by name: plurals of all types, as in the keys of their listings; buckets, two hexadecimal digits each. Both are
--          lists of words separated by blanks.
-- Returns  how many were removed

local prefix, service = tag:match('^(.*){(.-)}$')

local function is_empty(bucket)
  for plural in arguments.plurals:gmatch('%S+') do
    if redis.call('EXISTS', prefix .. '{' .. service .. ':' .. bucket .. '}:' .. plural) == 1 then
      return false
    end
  end
  return true
end

local removed = 0
for bucket in arguments.buckets:gmatch('%S+') do
  if is_empty(bucket) then
    removed = removed + redis.call('HDEL', tag .. ':filled', bucket)
  end
end
return removed
