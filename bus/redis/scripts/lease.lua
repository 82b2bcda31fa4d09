#!lua flags=allow-oom
-- Leases without a clock: a hash field holds "owner token beat".
-- KEYS  ledger   ARGV  verb, task, owner, then per verb:
--   acquire  seen    -> token, or 0: held by somebody else whose sign is not the one seen
--   renew    token   -> 1, or 0: lost
--   release  token   -> 1, or 0: not ours
local ledger, verb, task, owner = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local lease = 'lease:' .. task
local sign = redis.call('HGET', ledger, lease) or ''
local holder, token, beat = string.match(sign, '^(.*) (%d+) (%d+)$')
if verb == 'acquire' then
  if holder and holder ~= owner and sign ~= ARGV[4] then return 0 end
  local fresh = redis.call('HINCRBY', ledger, 'token:' .. task, 1)
  redis.call('HSET', ledger, lease, owner .. ' ' .. fresh .. ' 0')
  return fresh
end
if holder ~= owner or token ~= ARGV[4] then return 0 end
if verb == 'renew' then
  redis.call('HSET', ledger, lease, owner .. ' ' .. token .. ' ' .. string.format('%.0f', tonumber(beat) + 1))
else
  -- Given back in order: whoever comes next need not ask what the owner died of.
  redis.call('HDEL', ledger, lease, 'life:' .. task)
end
return 1
