-- One atomic step of a task: check the fencing token and the position that was read from, append, move on.
-- KEYS  ledger, then one stream per output
-- ARGV  task, token, expected position, new position, then per output: stream name, count, tag, writer, body, digest, columns
-- Nothing is written before all checks passed, and ordinals are explicit: a second application cannot append twice.
local ledger, task = KEYS[1], ARGV[1]
local seen = redis.call('HMGET', ledger, 'token:' .. task, 'position:' .. task)
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end
local found = seen[2] or ''
if found ~= ARGV[3] then return {'MOVED', found} end
local ends, update = {}, {'token:' .. task, ARGV[2], 'position:' .. task, ARGV[4]}
for i = 2, #KEYS do
  local at = 5 + (i - 2) * 7
  local name, count = ARGV[at], tonumber(ARGV[at + 1])
  local last = (ends[name] or tonumber(redis.call('HGET', ledger, 'end:' .. name) or '0')) + count
  local id = string.format('%.0f-%.0f', last, count)
  if ARGV[at + 6] == '' then
    redis.call('XADD', KEYS[i], id, 't', ARGV[at + 2], 'w', ARGV[at + 3], 'b', ARGV[at + 4], 'd', ARGV[at + 5])
  else
    redis.call('XADD', KEYS[i], id, 't', ARGV[at + 2], 'w', ARGV[at + 3], 'b', ARGV[at + 4], 'd', ARGV[at + 5], 'c', ARGV[at + 6])
  end
  ends[name] = last
end
for name, last in pairs(ends) do
  update[#update + 1] = 'end:' .. name
  update[#update + 1] = string.format('%.0f', last)
end
redis.call('HSET', ledger, unpack(update))
return {'OK'}
