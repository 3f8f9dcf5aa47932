-- An object of any type. It is an array: the reply that shows it. DATA is '' for a type that keeps its data elsewhere, and in
-- replies to a caller that has it. Other empty elements are '' too.
--
-- The script begins with constants of the type (`object_script`):
--   TYPE    its name, as in the key of a header
--   PLURAL  as in the key of the listing
--   NAMES   last part of the key of the unique names: they are unique among the objects of one type
--   PARTS   first parts of the keys that an object of this type has beside its header, separated by blanks
--
-- sid   absent = find the object by its name
-- name  given with a SID, only an object that has both is found

local STATUS <const> = 1
local SID <const> = 2
local NAME <const> = 3
local REVISION <const> = 4
local DATA <const> = 5
local CREATED <const> = 6
local UPDATED <const> = 7
local EXPIRES <const> = 8
local CREATOR <const> = 9
local WRITER <const> = 10
local MARK <const> = 11
local SID_LENGTH <const> = 34

local HEADER = tag .. ':' .. TYPE .. ':'

-- What the header of a collection has beside (collection.lua).
local COUNT_FIELDS = PARTS ~= '' and {'i', 'l', 'z', 'h'} or {}

-- The object with this SID; nil if there is none. Its `counts` are the values of `COUNT_FIELDS`: Redis does not reply them.
local function load(sid)
  local f = redis.call('HMGET', HEADER .. sid, 'n', 'r', 'd', 'c', 'u', 'x', 'b', 'w', 'm', unpack(COUNT_FIELDS))
  return f[2] and {'ok', sid, f[1], f[2], f[3] or '', f[4], f[5], f[6], f[7], f[8], f[9],
                   counts = COUNT_FIELDS[1] and {unpack(f, 10)}}
end

-- The SID of the unique name, or a pointer: the object with that name lives in another bucket, which no script can reach on a
-- Cluster. The caller goes there.
local function look_up(name)
  local sid = redis.call('HGET', tag .. ':' .. NAMES, name)
  if sid and #sid > SID_LENGTH then
    return nil, sid
  end
  return sid
end

-- The object that the arguments address, which may be past its expiry; nil if there is none. A second value is a pointer.
local function find()
  local sid, name, pointer = arguments.sid, arguments.name, nil
  if not sid then
    sid, pointer = look_up(name)
  end
  local object = sid and load(sid)
  if object and (not name or object[NAME] == name) then
    return object
  end
  return nil, pointer
end

local function is_past(object)
  local expires = object[EXPIRES]
  return expires ~= '' and tonumber(expires) <= now()
end
