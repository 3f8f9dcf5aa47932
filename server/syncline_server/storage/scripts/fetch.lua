-- Reads the newest state of one object.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: those of lib/{object,rights}.lua
-- Returns  {"ok", …}, or a refusal of `readable`

local object, refusal = readable()
return object or refusal
