-- Keeps a lease, or gives it back; taking one is SET NX PX.
--
-- KEYS[1]  of the lease
-- ARGV     who has it, for how many ms from now on; 0 gives it back
-- Returns  1 if it was theirs, else 0

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
