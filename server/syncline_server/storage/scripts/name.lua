-- One change to a unique name whose object lives in another bucket, because the caller chose its SID.
--
-- The hash of names then holds a pointer instead of a SID:
--   confirmed  the SID, `:`, and a random suffix that distinguishes two pointers to one SID
--   claimed    the SID, `?`, the time of the claim in ms, `:`, and a random suffix: the object is being created
-- A claim that is not confirmed within CLAIM_MS may be released by any reader that finds no object.
--
-- KEYS[1]  `{service:bucket}` of the name
-- ARGV     by name: verb, name, names (as NAMES in lib/object.lua), then by verb:
--          "claim"    sid, suffix
--          "confirm"  pointer as it was claimed, suffix: the object was created
--          "release"  pointer as the caller saw it; own, "1" to release a claim of any age: the object does not exist
--          "look"
-- Returns  "claim": {"ok", pointer} | {"taken", SID or pointer}; "confirm": {"ok"} | {"lost"} (another object has the name);
--          "release": {"ok"} | {"claimed"} (its object may still be created); "look": {SID or pointer}, "" for none

local SID_LENGTH, CLAIM_MS = 34, 60000

local verb, name = arguments.verb, arguments.name
local NAMES = tag .. ':' .. arguments.names
local existing = redis.call('HGET', NAMES, name)

local function is_pointer_to(sid)
  return existing and #existing > SID_LENGTH and existing:sub(1, SID_LENGTH) == sid
end

if verb == 'claim' then
  if existing and not is_pointer_to(arguments.sid) then
    return {'taken', existing}
  end
  local pointer = arguments.sid .. '?' .. text(now()) .. ':' .. arguments.suffix
  redis.call('HSET', NAMES, name, pointer)
  return {'ok', pointer}
end

if verb == 'confirm' then
  local sid = arguments.pointer:sub(1, SID_LENGTH)
  if not is_pointer_to(sid) then
    return {'lost'}
  end
  -- A new suffix: a reader that found no object just before it was created still has the old pointer, and its "release"
  -- must not free the name now.
  redis.call('HSET', NAMES, name, sid .. ':' .. arguments.suffix)
  return {'ok'}
end

if verb == 'release' then
  -- The name has changed since the caller saw the pointer: nothing to release.
  if existing ~= arguments.pointer then
    return {'ok'}
  end
  local claimed = existing:match('^%w+%?(%d+):')
  if claimed and not arguments.own and now() - claimed < CLAIM_MS then
    return {'claimed'}
  end
  redis.call('HDEL', NAMES, name)
  return {'ok'}
end

return {existing or ''}
