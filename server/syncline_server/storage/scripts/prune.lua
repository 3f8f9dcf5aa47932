-- Removes empty buckets from the index of buckets that may hold objects.
--
-- Checks again that each is empty, in the same step: an object may have been created since the caller looked. That reads
-- keys of other slots, so this script does not run on a Cluster.
--
-- KEYS[1]  `{service}`
-- ARGV     plurals of all types, as in the keys of their listings, separated by blanks; then buckets, two hexadecimal digits each
-- Returns  how many were removed

local prefix, service = KEYS[1]:match('^(.*){(.-)}$')

local function is_empty(bucket)
  for plural in ARGV[1]:gmatch('%S+') do
    if redis.call('EXISTS', prefix .. '{' .. service .. ':' .. bucket .. '}:' .. plural) == 1 then
      return false
    end
  end
  return true
end

local removed = 0
for index = 2, #ARGV do
  if is_empty(ARGV[index]) then
    removed = removed + redis.call('HDEL', KEYS[1] .. ':filled', ARGV[index])
  end
end
return removed
