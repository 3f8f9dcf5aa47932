-- One commit: check, write, index, publish. Atomic, because Redis runs a script alone.
--
-- A script is not rolled back when a command in it fails, so everything that can fail comes first, and the event is
-- published last. The first write decides: if Redis refuses it, nothing has changed. What follows it goes through `also`,
-- so that a write that was applied is answered as applied, whatever Redis refuses then.
-- All keys and the channel are made from KEYS[1], the bucket's hash tag: they share its cluster slot.
--
-- Expiry and dates are by Redis' clock alone. The caller's clock counts in revisions only, and may lead by LEAD_MS at most.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     verb ("create" | "create_as" | "create_away" | "update" | "remove" | "expire" | "advance"), SID ("" = by name), unique
--          name ("" = none; with a SID, "update" and "remove" ask for the document that has both), If-Match ("" = any),
--          data ("" = keep), ttl in s ("" = keep), identity, operation id ("" = none), its memory in ms, caller's clock in ms,
--          random 0..1023, "PUBLISH" | "SPUBLISH" and the middle of the channel's name with a blank between, mark of this write,
--          rights that the identity needs, as bits ("" = all may do all),
--          steps before this one that are committed with it (JSON, [[identity, operation id, fingerprint], …]; "" = none): each has the
--          revision before the next one's, which nobody is told but its writer
--          webhooks: "" none, else how many may wait, 1 to tell of this write itself (0: only of expiries), and the endpoint
--          that makes it, with blanks between them
--          trace of this write, which its event carries ("" = none)
--          what the keys of operation ids and the index of buckets begin with: `{service}`; on a Cluster the bucket's own tag
--          fingerprint of the request, which a repetition has too
--          "create_as" creates under a SID that the caller chose, "create_away" one whose name is of another bucket and is
--          claimed there (see name.lua).
--          The mark is kept with the document: whoever lost the answer can tell whether this write was the last.
-- Returns  {status, sid, name, revision, data, created, updated, expires, created by, updated by, mark}
--          status "ok" | "repeated" | "exists" | "mismatch", or {"absent", name that the bucket of an expired document does not
--          hold, or ""}, {"moved", pointer} where the document with that name lives in another bucket, {"ended", name} where
--          one with another name had that SID lately, or alone "forbidden", "reused" where the operation id was used for
--          another request, "apart" where one of several
--          steps was committed before, and "mismatch" where the identity may not read; data "" where the caller has it;
--          name and expires "" where there is none. An element more says, in Redis' words, what was refused after the write
--          was applied: the event, perhaps.

local tag = KEYS[1]
local verb, sid, name, if_match = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local data, ttl, who = ARGV[5], ARGV[6], ARGV[7]
local operation, operation_ms = ARGV[8], ARGV[9]
local app_ms, random, mark = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[13]
local publish, channel = ARGV[12]:match('^(%S+) (.*)$')
local needs = ARGV[14]
local earlier = ARGV[15] == '' and {} or cjson.decode(ARGV[15])
local trace, operations, fingerprint = ARGV[17], ARGV[18], ARGV[19]
local webhooks, webhooks_own, endpoint = ARGV[16]:match('^(%d+) (%d) (.*)$')

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A failover may bring a master whose clock is behind; a caller whose clock is wrong must not push revisions far ahead.
local LEAD_MS = 60000
local clock = math.max(now, math.min(app_ms, now + LEAD_MS))
local REVISIONS_PER_MS = 1024

local SID_LENGTH = 34
local ENDED_MS = 90000000 -- 25 h, longer than any token lives: what a connection knows of a SID's name must stay true

local NAMES, LISTING, EXPIRIES = tag .. ':names', tag .. ':documents', tag .. ':expiries'

local function text(number)
  return string.format('%.0f', number)
end

local PERMISSIONS, IDENTITIES = ':permissions:', ':identities:'
local READ, ALL = 1, 7

local function document_key(id)
  return tag .. ':document:' .. id
end

local function operation_key(id)
  return operations .. ':operation:' .. id
end

-- Both clocks, because after a failover the new master's may be behind; random low bits, also in the step where the
-- revision is ahead of the clocks, because then a revision that was lost is not given to other content. Below 2^53 until
-- the year 2248: 2,000 writes of one document per second keep pace with the clock.
local function next_revision(previous)
  local by_clock = clock * REVISIONS_PER_MS + random
  if by_clock > tonumber(previous) then
    return text(by_clock)
  end
  return text(tonumber(previous) + 1 + random)
end

local trouble = ''

-- Runs what follows the first write. An error is kept for the answer: what was applied must not be answered as failed.
local function also(run, ...)
  local done, result = pcall(run, ...)
  if done then
    return result
  end
  trouble = type(result) == 'table' and result.err or tostring(result)
end

local function ended_key(id)
  return tag .. ':ended:' .. id
end

local function load(id)
  local f = redis.call('HMGET', document_key(id), 'n', 'r', 'd', 'c', 'u', 'x', 'b', 'w')
  if not f[2] then
    return nil
  end
  return {sid = id, name = f[1], revision = f[2], data = f[3], created = f[4], updated = f[5],
          expires = f[6], creator = f[7], writer = f[8]}
end

local function announce(document, event, body)
  event.sid, event.name = document.sid, document.name
  if trace ~= '' then
    event.trace = trace
  end
  also(redis.call, publish, tag .. channel .. document.sid, cjson.encode(event) .. '\n' .. body)
end

local function queue_webhook(kind, document, by, body, expired)
  if webhooks and (expired or webhooks_own == '1') then
    also(append, tag, tonumber(webhooks), {k = kind, o = document.sid, n = document.name, r = document.revision, d = body,
                                           i = by, e = expired and '' or endpoint})
  end
end

local orphan = ''

local function drop(document, by, expired)
  local revision = next_revision(document.revision)
  if redis.call('HGET', document_key(document.sid), 'k') then
    -- The SID can come again; its revisions go on from here, and its name stays the same.
    redis.call('SET', ended_key(document.sid), revision .. ' ' .. document.name, 'PX', ENDED_MS)
  end
  redis.call('DEL', document_key(document.sid))
  also(redis.call, 'UNLINK', tag .. PERMISSIONS .. document.sid, tag .. IDENTITIES .. document.sid)
  also(redis.call, 'ZREM', LISTING, document.sid)
  also(redis.call, 'ZREM', EXPIRIES, document.sid)
  if document.name ~= '' and also(redis.call, 'HDEL', NAMES, document.name) == 0 then
    orphan = document.name
  end
  queue_webhook('document_removed', {sid = document.sid, name = document.name, revision = revision}, by, '', expired)
  announce(document, {kind = expired and 'expired' or 'removed', revision = revision,
                      previous = document.revision, at = text(now), by = by}, '')
  return revision
end

local function reply(status, document, body)
  return {status, document.sid, document.name, document.revision, body, document.created, document.updated,
          document.expires, document.creator, document.writer, mark}
end

local function remember(id, answer, its_fingerprint)
  if id ~= '' then
    also(redis.call, 'SET', operation_key(id), cmsgpack.pack({its_fingerprint, answer}), 'PX', operation_ms)
  end
end

local function write(document, previous)
  document.revision = next_revision(previous + #earlier)
  document.updated, document.writer = text(now), who
  if ttl == '0' then
    document.expires = ''
  elseif ttl ~= '' then
    document.expires = text(now + ttl * 1000)
  end
  local answer = reply('ok', document, '')
  redis.call('HSET', document_key(document.sid), 'n', document.name, 'r', document.revision, 'd', document.data,
             'c', document.created, 'u', document.updated, 'x', document.expires, 'b', document.creator, 'w', who, 'm', mark)
  remember(operation, answer, fingerprint)
  for index, step in ipairs(earlier) do
    local its = reply('ok', document, '')
    its[4], its[10] = text(document.revision - #earlier - 1 + index), step[1]
    remember(step[2], its, step[3])
  end
  if document.expires ~= '' then
    also(redis.call, 'ZADD', EXPIRIES, document.expires, document.sid)
  elseif ttl == '0' then
    also(redis.call, 'ZREM', EXPIRIES, document.sid)
  end
  return answer
end

-- The answer to a write, once all that belongs to it was tried.
local function answered(answer)
  if trouble ~= '' then
    answer[#answer + 1] = trouble
  end
  return answer
end

-- It was taken for lost, and has arrived after all (the operation id of a single step tells by itself).
if (operation == '' or #earlier > 0) and redis.call('EXISTS', tag .. ':void:' .. mark) == 1 then
  return {'void'}
end

for _, step in ipairs(earlier) do
  if step[2] ~= '' and redis.call('EXISTS', operation_key(step[2])) == 1 then
    return {'apart'}
  end
end
if operation ~= '' then
  local first = redis.call('GET', operation_key(operation))
  if first then
    if #earlier > 0 then
      return {'apart'}
    end
    local its_fingerprint, answer = unpack(cmsgpack.unpack(first))
    if its_fingerprint ~= fingerprint then
      return {'reused'}
    end
    answer[1] = 'repeated'
    return answer
  end
end

local creates = verb == 'create' or verb == 'create_as' or verb == 'create_away'
local existing_sid = sid
if name ~= '' and (verb == 'create' or sid == '') then
  existing_sid = redis.call('HGET', NAMES, name)
end
local current = existing_sid and load(existing_sid)
if verb == 'create_as' and not current and name ~= '' then
  existing_sid = redis.call('HGET', NAMES, name)
  current = existing_sid and load(existing_sid)
end
if existing_sid and #existing_sid > SID_LENGTH then
  return {'moved', existing_sid}
end
if current and name ~= '' and not creates and current.name ~= name then
  current = nil
end

if current and current.expires ~= '' and tonumber(current.expires) <= now then
  if verb ~= 'advance' then
    drop(current, 'system', true)
  end
  current = nil
end
if verb == 'expire' and not current then
  -- Also what the index alone has kept.
  redis.call('ZREM', EXPIRIES, sid)
end

local rights = ALL
if current and needs ~= '' then
  rights = tonumber(redis.call('HGET', tag .. PERMISSIONS .. current.sid, who) or 0)
  if bit.band(rights, needs) ~= tonumber(needs) then
    return {'forbidden'}
  end
end

if creates then
  if current then
    return reply('exists', current, current.data)
  end
  local previous = '0'
  if verb ~= 'create' then
    local ended = redis.call('GET', ended_key(sid))
    if ended then
      local last, its = ended:match('^(%d+) (.*)$')
      if its ~= name then
        return {'ended', its}
      end
      previous = last
    end
  end
  local created = {sid = sid, name = name, data = data, created = text(now), expires = '', creator = who}
  if operations ~= tag then
    -- The index of buckets that may hold something; on a Cluster it was noted there before.
    redis.call('HSET', operations .. ':filled', tag:sub(-3, -2), 1)
  end
  -- The name comes first: without its document it is free, but a document without its name would be lost.
  if name ~= '' and verb ~= 'create_away' then
    redis.call('HSET', NAMES, name, sid)
  end
  local answer = write(created, previous)
  if verb ~= 'create' then
    also(redis.call, 'HSET', document_key(sid), 'k', '1')
  end
  also(redis.call, 'ZADD', LISTING, 0, sid)
  if needs ~= '' then
    also(redis.call, 'HSET', tag .. PERMISSIONS .. sid, who, ALL)
    also(redis.call, 'ZADD', tag .. IDENTITIES .. sid, 0, who)
  end
  queue_webhook('document_created', created, who, data)
  return answered(answer)
end

if not current or verb == 'expire' then
  return {'absent', orphan}
end
if verb == 'advance' then
  -- A client holds a revision that a failover lost: bring all to the stored state by a newer one.
  -- Not beyond what a server can have given: it would use up the revisions.
  local highest = math.max(now * REVISIONS_PER_MS, tonumber(current.revision)) + LEAD_MS * REVISIONS_PER_MS
  if tonumber(current.revision) >= tonumber(if_match) or tonumber(if_match) > highest then
    return reply('ok', current, current.data)
  end
  who = current.writer
  local answer = write(current, if_match)
  announce(current, {kind = 'updated', revision = current.revision, previous = if_match, at = text(now),
                     by = who, expires = current.expires}, current.data)
  answer[5] = current.data
  return answered(answer)
end
if if_match ~= '' and if_match ~= current.revision then
  if bit.band(rights, READ) == 0 then
    return {'mismatch'}
  end
  return reply('mismatch', current, current.data)
end

if verb == 'remove' then
  current.revision = drop(current, who, false)
  current.updated, current.writer = text(now), who
  local answer = reply('ok', current, '')
  remember(operation, answer, fingerprint)
  return answered(answer)
end

local kept = data == ''
if not kept then
  current.data = data
end
local previous = current.revision
local answer = write(current, previous)
queue_webhook('document_updated', current, who, current.data)
announce(current, {kind = 'updated', revision = current.revision, previous = previous, at = text(now),
                   by = who, expires = current.expires}, current.data)
if kept then
  answer[5] = current.data
end
return answered(answer)
