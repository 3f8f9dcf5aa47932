-- Revisions: a hybrid clock that only moves forward.
--
-- clock   caller's clock in ms. It counts in revisions only.
-- random  random number, 0..1023

local LEAD_MS <const> = 60000
local REVISIONS_PER_MS <const> = 1024

-- Promise 2: a revision is never used twice, not even after a failover that lost writes. The clock is the later of two,
-- because a failover may promote a master whose clock is behind; LEAD_MS keeps a caller whose clock is wrong from pushing
-- revisions far ahead. The low bits are random, also in the step that is taken where the revision is ahead of both clocks: so
-- a revision that the failover lost is not given to other content. Revisions stay below 2^53 until the year 2248; up to 2,000
-- writes of one object per second do not outrun the clock.
local function next_revision(previous)
  local clock = math.max(now(), math.min(tonumber(arguments.clock), now() + LEAD_MS))
  local by_clock = clock * REVISIONS_PER_MS + arguments.random
  if by_clock > tonumber(previous) then
    return text(by_clock)
  end
  return text(previous + 1 + arguments.random)
end
