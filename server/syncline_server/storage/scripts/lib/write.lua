-- The write of a header.
--
-- ttl  in seconds; "0" = never expire; absent = keep the expiry

-- Gives an object its next revision, after `previous`, stores it, and remembers it as the answer of the write.
local function write(object, previous, by)
  local sid, ttl = object[SID], arguments.ttl
  -- Leaves room between `previous` and this revision for one revision of each earlier step.
  object[REVISION] = next_revision(previous + #earlier)
  object[UPDATED], object[WRITER], object[MARK] = text(now()), by, arguments.mark
  if ttl == '0' then
    object[EXPIRES] = ''
  elseif ttl then
    object[EXPIRES] = text(now() + ttl * 1000)
  end
  -- The write that decides: if Redis refuses it, no reader sees a change. Everything below goes through `also`.
  redis.call('HSET', HEADER .. sid, 'n', object[NAME], 'r', object[REVISION], 'c', object[CREATED], 'u', object[UPDATED],
             'x', object[EXPIRES], 'b', object[CREATOR], 'w', by, 'm', object[MARK], 'd', object[DATA])
  remember(object)
  if object[EXPIRES] ~= '' then
    also(redis.call, 'ZADD', tag .. ':expiries', object[EXPIRES], sid)
  elseif ttl then
    also(redis.call, 'ZREM', tag .. ':expiries', sid)
  end
end
