-- A write takes effect once, however often its caller sends it.
--
-- mark          of this write. It is stored with the object, so that a caller that lost the reply can read whether this write
--               was the last one.
-- identity
-- operation     operation id; absent = none
-- operation_ms  ms for which it is remembered
-- operations    first part of the keys of operation ids: `{service}`; on a Cluster the bucket's tag
-- fingerprint   of the request; a repetition of the request has the same
-- earlier       earlier steps that are committed with this one: JSON, [[identity, operation id ("" = none), fingerprint], …].
--               Each step gets a revision of its own, one below the next step's; only its writer receives that revision.

local earlier = arguments.earlier and cjson.decode(arguments.earlier) or {}

-- The reply of a write that must not be applied now; nil if it may be. Before If-Match and rights are checked: the first attempt
-- has changed the revision, and may have removed the object.
--   {"void"}            the caller has given this write up
--   {"apart"}           one of several steps was committed before
--   {"reused"}          the operation id was used for another request
--   {"repeated", …}     the first answer
local function earlier_answer()
  local operation = arguments.operation
  -- The caller lost the connection before this write arrived, set the void key, and tries again under another mark (or has
  -- reported the write as unknown). Applying it now would apply it twice. A single step with an operation id needs no void
  -- key: the record of its operation id, below, stops whichever attempt comes second.
  if (not operation or #earlier > 0) and redis.call('EXISTS', tag .. ':void:' .. arguments.mark) == 1 then
    return {'void'}
  end
  for _, step in ipairs(earlier) do
    if step[2] ~= '' and redis.call('EXISTS', arguments.operations .. ':operation:' .. step[2]) == 1 then
      return {'apart'}
    end
  end
  local first = operation and redis.call('GET', arguments.operations .. ':operation:' .. operation)
  if not first then
    return nil
  end
  if #earlier > 0 then
    return {'apart'}
  end
  local fingerprint, answer = unpack(cmsgpack.unpack(first))
  if fingerprint ~= (arguments.fingerprint or '') then
    return {'reused'}
  end
  answer[STATUS] = 'repeated'
  return answer
end

-- Remembers the answer of this write, and of each earlier step, for a repetition of the request. Without its data, which the
-- caller has.
local function remember(answer)
  if not arguments.operation and #earlier == 0 then
    return
  end
  local its = {unpack(answer)}
  its[DATA] = ''
  earlier[#earlier + 1] = {arguments.identity, arguments.operation or '', arguments.fingerprint or ''}
  for index, step in ipairs(earlier) do
    if step[2] ~= '' then
      its[REVISION], its[WRITER] = text(answer[REVISION] - #earlier + index), step[1]
      also(redis.call, 'SET', arguments.operations .. ':operation:' .. step[2], cmsgpack.pack({step[3], its}),
           'PX', arguments.operation_ms)
    end
  end
end
