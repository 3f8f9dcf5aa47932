-- The event of a header that was written.

local function announce_update(object, previous)
  announce(object[SID], {kind = 'updated', name = object[NAME], revision = object[REVISION], previous = previous,
                         at = object[UPDATED], by = object[WRITER], expires = object[EXPIRES]}, object[DATA])
end
