-- Removes an object.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/*.lua
-- Returns  {"ok", …} with the last state at the removal's revision, or a refusal of `target`

local object, refusal = target()
if not object then
  return refusal
end
drop(object, arguments.identity, false)
object[DATA], object[UPDATED], object[WRITER], object[MARK] = '', text(now()), arguments.identity, arguments.mark
remember(object)
return answered(object)
