-- Takes away keys of a bucket, or of a service as a whole, that are no longer used: the large ones are left to the reclaimer.
--
-- KEYS[1]  `{service:bucket}` or `{service}`
-- ARGV     by name: those of lib/garbage.lua; parts, the keys without `KEYS[1]:`, separated by blanks; mark

local SIZES = {hash = 'HLEN', zset = 'ZCARD', stream = 'XLEN'}

for part in arguments.parts:gmatch('%S+') do
  local size = SIZES[redis.call('TYPE', tag .. ':' .. part).ok]
  if size then
    discard(part, size, arguments.mark)
  else
    redis.call('UNLINK', tag .. ':' .. part)
  end
end
return answered(redis.call('EXISTS', tag .. ':garbage'))
