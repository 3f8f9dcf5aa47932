-- Publishes a message of a stream. It is not stored, and moves no revision.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/{object,rights,publish}.lua, and
--          message  SID of the message
--          data     of the message
-- Returns  {"ok", …} the stream, or a refusal of `readable`

local stream, refusal = readable()
if not stream then
  return refusal
end
announce(stream[SID], {kind = 'message', message = arguments.message, at = text(now()), by = arguments.identity}, arguments.data)
return answered(stream)
