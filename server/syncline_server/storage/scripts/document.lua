-- One commit of one document: check, write, index, publish. Atomic, because Redis runs one script at a time.
--
-- Redis does not roll a script back when one of its commands fails. So the order is a promise:
--   1. Check. Nothing is written before every check has passed (one exception: an expired document is dropped on the way).
--   2. The first write of the document decides: if Redis refuses it, the script ends with an error and no reader sees a change.
--   3. Every later command runs through `also`: the write is applied by now and must be answered as applied, even if
--      Redis refuses an index, a webhook or the event. The reply then carries Redis' words in one more element.
--   4. Publish last: a subscriber that reads the document on receiving the event finds everything written.
-- All keys and the channel begin with KEYS[1], the bucket's hash tag, and so share its cluster slot.
--
-- Expiry and dates follow Redis' clock alone. The caller's clock counts in revisions only, and may lead by LEAD_MS at most.
--
-- KEYS[1]  `{service:bucket}`
-- ARGV     1  verb:
--             "create"       under a random SID, or find the document that has the name
--             "create_as"    under a SID that the caller chose
--             "create_away"  likewise, with a name that belongs to another bucket and is claimed there (see name.lua)
--             "update", "remove"
--             "expire"       remove the document if it is past its expiry
--             "advance"      give the document a revision beyond If-Match, which a client received and a failover lost
--          2  SID ("" = find the document by its name)
--          3  unique name ("" = none; given with a SID, "update" and "remove" match only a document that has both)
--          4  If-Match ("" = any revision)
--          5  data ("" = keep)
--          6  ttl in seconds ("" = keep, "0" = never expire)
--          7  identity
--          8  operation id ("" = none)
--          9  ms for which the operation id is remembered
--         10  caller's clock in ms
--         11  random number, 0..1023
--         12  "PUBLISH" | "SPUBLISH", a blank, and the middle of the channel's name
--         13  mark of this write. It is stored with the document, so that a caller that lost the reply can read whether
--             this write was the last one.
--         14  rights that the identity needs, as bits ("" = permissions are not checked)
--         15  earlier steps that are committed with this one: JSON, [[identity, operation id, fingerprint], …] ("" = none).
--             Each step gets a revision of its own, one below the next step's; only its writer receives that revision.
--         16  webhooks ("" = none), separated by blanks: how many may wait, 1 to queue one for this write itself (0: only for
--             expiries), the endpoint that makes the write
--         17  trace of this write, which its event carries ("" = none)
--         18  first part of the keys of operation ids and of the index of buckets: `{service}`; on a Cluster the bucket's tag
--         19  fingerprint of the request; a repetition of the request has the same
-- Returns  {status, sid, name, revision, data, created, updated, expires, created by, updated by, mark}, where status is
--            "ok"
--            "repeated"   the operation id was applied before: the first answer
--            "exists"     a document has the SID or the name already
--            "mismatch"   the document is at another revision
--          data is "" where the caller has it; name and expires are "" where there is none. One more element holds, in
--          Redis' words, what Redis refused after the write was applied, perhaps the event.
--          Or, without a document:
--            {"absent", name}     name: of an expired document that was dropped here, while another bucket still has its
--                                 pointer; else ""
--            {"moved", pointer}   the document with that name lives in another bucket
--            {"ended", name}      a document with another name had that SID lately
--            {"forbidden"}        the identity lacks the rights
--            {"mismatch"}         as above, for an identity without the right to read
--            {"reused"}           the operation id was used for another request
--            {"apart"}            one of several steps was committed before
--            {"void"}             the caller has given this write up

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

-- A failover may promote a master whose clock is behind, so revisions also follow the caller's clock. LEAD_MS keeps a caller
-- whose clock is wrong from pushing them far ahead.
local LEAD_MS = 60000
local clock = math.max(now, math.min(app_ms, now + LEAD_MS))
local REVISIONS_PER_MS = 1024

local SID_LENGTH = 34
local ENDED_MS = 90000000 -- 25 h, longer than any token: the name that a connection cached for a SID must stay true

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

-- Promise 2: a revision is never used twice, not even after a failover that lost writes. `clock` is the later of two clocks,
-- because the new master's may be behind. The low bits are random, also in the step that is taken where the revision is
-- ahead of both clocks: so a revision that the failover lost is not given to other content. Revisions stay below 2^53 until
-- the year 2248; up to 2,000 writes of one document per second do not outrun the clock.
local function next_revision(previous)
  local by_clock = clock * REVISIONS_PER_MS + random
  if by_clock > tonumber(previous) then
    return text(by_clock)
  end
  return text(tonumber(previous) + 1 + random)
end

local trouble = ''

-- Runs a command that follows the first write. Its error goes into the reply (see `answered`) instead of ending the script:
-- promise 1, a write that was applied is never answered as failed.
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
    -- A document whose SID was chosen (field `k`) can be created again. Remember its last revision, from which it must go on,
    -- and its name, the only one that the SID may have for ENDED_MS. Before the DEL: without this record, a new document
    -- would follow the clocks alone, and could get a revision that was used before (promise 2).
    redis.call('SET', ended_key(document.sid), revision .. ' ' .. document.name, 'PX', ENDED_MS)
  end
  redis.call('DEL', document_key(document.sid))
  -- A caller that lost the reply to a write and finds no document reads here whether the document may be gone again since.
  also(redis.call, 'SET', tag .. ':last_ended', text(now), 'PX', operation_ms)
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
  -- Leaves room between `previous` and this revision for one revision of each earlier step.
  document.revision = next_revision(previous + #earlier)
  document.updated, document.writer = text(now), who
  if ttl == '0' then
    document.expires = ''
  elseif ttl ~= '' then
    document.expires = text(now + ttl * 1000)
  end
  local answer = reply('ok', document, '')
  -- The write that decides: if Redis refuses it, no reader sees a change. Everything below goes through `also`.
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

-- The answer to a write, with the error of a later command, if any, as its last element.
local function answered(answer)
  if trouble ~= '' then
    answer[#answer + 1] = trouble
  end
  return answer
end

-- The caller lost the connection before this write arrived, set the void key, and tries again under another mark (or has
-- reported the write as unknown). Applying it now would apply it twice. A single step with an operation id needs no void key:
-- the record of its operation id, below, stops whichever attempt comes second.
if (operation == '' or #earlier > 0) and redis.call('EXISTS', tag .. ':void:' .. mark) == 1 then
  return {'void'}
end

for _, step in ipairs(earlier) do
  if step[2] ~= '' and redis.call('EXISTS', operation_key(step[2])) == 1 then
    return {'apart'}
  end
end
-- Before If-Match and rights are checked: the first attempt has changed the revision, and may have removed the document.
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
-- A chosen SID is free, but its name may be taken. ("create_away" has claimed its name in the name's own bucket.)
if verb == 'create_as' and not current and name ~= '' then
  existing_sid = redis.call('HGET', NAMES, name)
  current = existing_sid and load(existing_sid)
end
-- Longer than a SID: a pointer to another bucket, which this script cannot reach on a Cluster. The caller goes there.
if existing_sid and #existing_sid > SID_LENGTH then
  return {'moved', existing_sid}
end
if current and name ~= '' and not creates and current.name ~= name then
  current = nil
end

-- A document past its expiry is absent, swept or not. The commit that finds it first removes it and publishes that.
-- "advance" leaves it to the sweeper: it comes from a reader, and has no webhooks with it.
if current and current.expires ~= '' and tonumber(current.expires) <= now then
  if verb ~= 'advance' then
    drop(current, 'system', true)
  end
  current = nil
end
if verb == 'expire' and not current then
  -- An entry of the index whose document is gone already would be swept again and again.
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
    -- The index of buckets that may hold documents. On a Cluster it is out of this script's reach, and the caller has
    -- written it before (FilledBuckets.note).
    redis.call('HSET', operations .. ':filled', tag:sub(-3, -2), 1)
  end
  -- The name first: if the document is then refused, a name that leads to no document counts as free. The other way round,
  -- a document without its name would stay, and no caller would find it.
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
  -- A client has the revision `if_match`, which a failover lost. It ignores older revisions, so the stored state needs a newer
  -- one to reach it: publish the stored state once more, under a revision beyond `if_match`.
  -- `highest`: no server can have given a later revision. A client that names one would only use up the revisions.
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
