-- Publishes a message of a stream. It is not stored, and moves no revision.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/*.lua, and
--          message  SID of the message
--          data     of the message
-- Returns  {"ok", …, message} with the stream and the SID of the message; or a refusal of `target`

local stream, refusal = target()
if not stream then
  return refusal
end
stream[MARK + 1] = arguments.message
remember(stream)
announce(stream[SID], {kind = 'message', message = arguments.message, at = text(now()), by = arguments.identity}, arguments.data)
return answered(stream)
