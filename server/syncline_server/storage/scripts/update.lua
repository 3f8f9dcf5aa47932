-- Changes the data of an object's header, its expiry or both.
--
-- KEYS[1]  `{service:bucket}`. All keys and the channel begin with this hash tag, and so share its cluster slot.
-- ARGV     by name: those of lib/*.lua, and
--          data  absent = keep
-- Returns  {"ok", …}, or a refusal of `target`

local object, refusal = target()
if not object then
  return refusal
end
local previous, data, by = object[REVISION], arguments.data, arguments.identity
object[DATA] = data or object[DATA]
write(object, previous, by)
-- The vendor reports no update of an object without data, whose expiry is all that can change.
if object[DATA] ~= '' then
  queue_webhook('updated', object, by, object[DATA])
end
announce_update(object, previous)
if data then
  object[DATA] = ''
end
return answered(object)
