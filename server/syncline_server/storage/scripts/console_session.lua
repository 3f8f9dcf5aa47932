-- One change to the set of console sessions. Each change writes a new version; other processes see it and read the sessions again.
--
-- KEYS[1]  `{syncline}`
-- ARGV     by name: verb, version (the new one), sid, then by verb:
--          "add"     record (JSON); limit, how many sessions there may be
--          "end"     nothing more
-- Returns  "ok" | "full"

local SESSIONS = tag .. ':sessions'

if arguments.verb == 'add' then
  if redis.call('HLEN', SESSIONS) >= tonumber(arguments.limit) then
    return 'full'
  end
  redis.call('HSET', SESSIONS, arguments.sid, arguments.record)
else
  redis.call('HDEL', SESSIONS, arguments.sid)
end
-- `pcall`: what was applied must be answered as applied.
redis.pcall('SET', tag .. ':sessions-version', arguments.version)
return 'ok'
