-- Reads items of a collection, in the order of their keys; only reads.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: type, sid | name, identity, needs as of fetch.lua, and
--            key      only the item with this key
--          or
--            from     the key to begin with ("" or absent = the first, or the last in descending order)
--            after    1: leave out the item with the key `from`
--            prefix   only items whose key begins with this; `from`, if given, is not before them in the order asked for
--            keys     only items with these keys, JSON: a list in the order asked for, which takes the place of `from` and `prefix`
--            reverse  1: in descending order
--            count    how many items, at most
--            bytes    stop when their records exceed this; at least one item comes
-- Returns  as fetch.lua, then "" if no item follows in that order, else the key after which they follow; then
--          key, record, key, record … Items past their expiry are omitted, swept or not.

local header, refusal = readable()
if not header then
  return refusal
end
local answer = {unpack(header)}
local more_at = #answer + 1
local filled = more_at -- elements of the answer
answer[more_at] = ''

local function is_live(record)
  return record and is_live_record(record) and not is_due_record(record)
end

local function add(key, record)
  if is_live(record) then
    answer[filled + 1], answer[filled + 2] = key, record
    filled = filled + 2
    return #record
  end
  return 0
end

local ITEMS, ORDER = items_key('items', header[SID]), items_key('order', header[SID])
if arguments.key then
  add(arguments.key, redis.call('HGET', ITEMS, arguments.key))
  return answer
end

-- Rounds, because items past their expiry that were not swept yet are omitted, and because the records of a whole page may be
-- much more than `bytes`. Bounded: after ROUNDS the caller goes on from the last key that was looked at.
local ROUNDS, ROUND = 10, 100
local command = arguments.reverse and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
local first, last = '-', '+'
if arguments.prefix then
  -- No UTF-8 text has the byte 255.
  first, last = '[' .. arguments.prefix, '(' .. arguments.prefix .. '\255'
end
local edge, final = arguments.reverse and last or first, arguments.reverse and first or last
local from = (arguments.from or '') == '' and edge or (arguments.after and '(' or '[') .. arguments.from
local listed, position = arguments.keys and cjson.decode(arguments.keys), 0

-- The next `asked` keys.
local function following(asked)
  if not listed then
    return redis.call(command, ORDER, from, final, 'LIMIT', 0, asked)
  end
  local keys = {unpack(listed, position + 1, math.min(position + asked, #listed))}
  position = position + #keys
  return keys
end

local wanted, bytes, found, taken = tonumber(arguments.count), tonumber(arguments.bytes), 0, 0
local looked_at
for _ = 1, ROUNDS do
  local asked = listed and ROUND or math.min(wanted - found + 1, ROUND)
  local keys = following(asked)
  local records = #keys > 0 and redis.call('HMGET', ITEMS, unpack(keys)) or {}
  for index, key in ipairs(keys) do
    local is_full = found == wanted or (found > 0 and taken > bytes)
    -- Of the keys that were asked for, many may not exist: they are no reason for another page.
    if is_full and (not listed or is_live(records[index])) then
      answer[more_at] = looked_at
      return answer
    end
    local size = add(key, records[index])
    taken = taken + size
    found = size > 0 and found + 1 or found
    looked_at = key
  end
  if #keys < asked then
    return answer
  end
  from = '(' .. looked_at
end
answer[more_at] = looked_at
return answer
