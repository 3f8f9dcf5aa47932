-- What removed objects leave to free, in keys that no object has.
--
--   {t}:garbage               set  names of the keys that follow, without `{t}:garbage:`
--   {t}:garbage:PART:MARK     hash, zset or stream, of many entries
--   {syncline}:garbage        set  buckets that have garbage (`IS…:3f`), or services as a whole (`IS…`)
--
-- To free a key of a million entries takes Redis a second or more. Even in a thread of its own (UNLINK) that delays all other
-- commands, which wait for the allocator and the processor. So a removal only renames such a key, and the reclaimer
-- (storage/reclaimer.py) frees it in portions, with pauses.
--
-- operations  as in lib/operation.lua: differs from the bucket's tag where a script reaches every key

-- Entries up to which a key is freed at once: that takes Redis less than 0.1 ms.
local SMALL_KEY <const> = 100

-- Frees `{t}:part`, or leaves it to the reclaimer. `size`: the command that counts its entries; `mark`: no two keys of that
-- name may have the same one.
local function discard(part, size, mark)
  local key, name = tag .. ':' .. part, part .. ':' .. mark
  -- Recorded before the key is renamed: a key under a name that no set has would never be freed.
  if (also(redis.call, size, key) or 0) > SMALL_KEY and also(redis.call, 'SADD', tag .. ':garbage', name) then
    local prefix, bucket = tag:match('^(.*){(.-)}$')
    if arguments.operations ~= tag then
      also(redis.call, 'SADD', prefix .. '{syncline}:garbage', bucket)
    end
    also(redis.call, 'RENAME', key, tag .. ':garbage:' .. name)
  else
    also(redis.call, 'UNLINK', key)
  end
end
