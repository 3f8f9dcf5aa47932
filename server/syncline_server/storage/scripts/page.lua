-- Reads items of a collection, in the order of their keys; only reads.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     by name: type, sid | name, identity, needs as of fetch.lua, and
--            key      only the item with this key
--          or
--            from     the key to begin with ("" or absent = the first, or the last in descending order)
--            after    1: leave out the item with the key `from`
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
local last = more_at -- of the answer
answer[more_at] = ''

local function add(key, record)
  if record and is_live_record(record) and not is_due_record(record) then
    answer[last + 1], answer[last + 2] = key, record
    last = last + 2
    return #record
  end
  return 0
end

local ITEMS, ORDER = items_key('items', header[SID]), items_key('order', header[SID])
if arguments.key then
  add(arguments.key, redis.call('HGET', ITEMS, arguments.key))
  return answer
end

-- Rounds, because items past their expiry that were not swept yet are omitted. Bounded: after ROUNDS the caller goes on from
-- the last key that was looked at.
local ROUNDS = 10
local command = arguments.reverse and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
local edge, final = arguments.reverse and '+' or '-', arguments.reverse and '-' or '+'
local from = (arguments.from or '') == '' and edge or (arguments.after and '(' or '[') .. arguments.from
local wanted, bytes, found, taken = tonumber(arguments.count), tonumber(arguments.bytes), 0, 0
local looked_at
for _ = 1, ROUNDS do
  local asked = wanted - found + 1
  local keys = redis.call(command, ORDER, from, final, 'LIMIT', 0, asked)
  local records = #keys > 0 and redis.call('HMGET', ITEMS, unpack(keys)) or {}
  for index, key in ipairs(keys) do
    if found == wanted or (found > 0 and taken > bytes) then
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
