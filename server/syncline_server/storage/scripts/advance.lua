-- Gives an object a revision beyond `if_match`, which a client has and a failover lost.
--
-- The client ignores older revisions, so the stored state needs a newer one to reach it: publish the stored state once more.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/*.lua
-- Returns  {"ok", …}; the object as it is if its revision is beyond `if_match` already. {"absent", ""} if there is none. An
--          object past its expiry is left to the sweeper: this write comes from a reader, and has no webhooks with it.

local object = find()
if not object or is_past(object) then
  return {'absent', ''}
end
local revision, lost = tonumber(object[REVISION]), tonumber(arguments.if_match)
-- No server can have given a revision above this one. A client that names one would only use up the revisions.
local highest = math.max(now() * REVISIONS_PER_MS, revision) + LEAD_MS * REVISIONS_PER_MS
if revision < lost and lost <= highest then
  write(object, arguments.if_match, object[WRITER])
  if PARTS == '' then
    announce_update(object, arguments.if_match)
  else
    -- Nobody knows which items the lost writes changed: readers start again.
    announce(object[SID], {kind = 'reset', name = object[NAME], revision = object[REVISION], previous = arguments.if_match,
                           at = object[UPDATED], by = object[WRITER]}, '')
  end
end
return answered(object)
