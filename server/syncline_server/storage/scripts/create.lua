-- Creates an object, or finds the one that has the name.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/*.lua, and
--          sid     of the new object
--          data    absent = none: a type that keeps its data elsewhere
--          chosen  "1" if the caller chose the SID: an object may have it, or may have had it
--          away    "1" if the name belongs to another bucket and is claimed there (see name.lua)
-- Returns  {"ok", …}
--          {"exists", …}       an object has the SID or the name already
--          {"ended", name}     an object with another name had that SID lately
--          {"moved", pointer}  the name is a pointer to another bucket
--          {"forbidden"}       the identity lacks the rights for the object that exists
--          or as `earlier_answer`

local first_answer = earlier_answer()
if first_answer then
  return first_answer
end

local sid, name, by = arguments.sid, arguments.name, arguments.identity

-- 1. Look for an object that has the SID or the name. (The name of an object whose name is away is claimed already.)
local current = arguments.chosen and load(sid)
if not current and name and not arguments.away then
  local existing, pointer = look_up(name)
  if pointer then
    return {'moved', pointer}
  end
  current = existing and load(existing)
end
if current and is_past(current) then
  drop(current, 'system', true)
  current = nil
end
if current then
  current[STATUS] = 'exists'
  return rights_for(current[SID]) and current or {'forbidden'}
end

local previous = '0'
local ended = arguments.chosen and redis.call('GET', tag .. ':ended:' .. sid)
if ended then
  local last, its_name = ended:match('^(%d+) (.*)$')
  if its_name ~= (name or '') then
    return {'ended', its_name}
  end
  previous = last
end

-- 2. Write what may be there without an object.
if arguments.operations ~= tag then
  -- The index of buckets that may hold objects. On a Cluster it is out of this script's reach, and the caller has written it
  -- before (FilledBuckets.note).
  redis.call('HSET', arguments.operations .. ':filled', tag:sub(-3, -2), 1)
end
-- The name first: if the object is then refused, a name that leads to no object counts as free. The other way round, an object
-- without its name would stay, and no caller would find it.
if name and not arguments.away then
  redis.call('HSET', tag .. ':' .. NAMES, name, sid)
end

-- 3. Write the object, then what leads to it.
local object = {'ok', sid, name or '', previous, arguments.data or '', text(now()), '', '', by, by, ''}
write(object, previous, by)
if arguments.chosen then
  also(redis.call, 'HSET', HEADER .. sid, 'k', '1')
end
also(redis.call, 'ZADD', tag .. ':' .. PLURAL, 0, sid)
if arguments.needs then
  also(redis.call, 'HSET', tag .. ':permissions:' .. sid, by, ALL_RIGHTS)
  also(redis.call, 'ZADD', tag .. ':identities:' .. sid, 0, by)
end
queue_webhook('created', object, by, object[DATA])
-- For tails alone, since nobody has the new object open: an update, on a channel whose name says that it is a creation. It costs
-- next to nothing while nobody follows all objects. (Patterns of others count too, which does no harm.)
if (also(redis.call, 'PUBSUB', 'NUMPAT') or 0) > 0 then
  announce(sid, {kind = 'updated', name = object[NAME], revision = object[REVISION], previous = previous,
                 at = object[UPDATED], by = by, expires = object[EXPIRES]}, object[DATA], ':created')
end
object[DATA] = ''
return answered(object)
