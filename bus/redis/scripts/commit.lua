-- One atomic step of a task: check the fencing token and the position that was read from, append, move on.
-- KEYS  ledger, then the streams
-- ARGV  task, token, expected position, new position, then the frames
-- Nothing is written before all checks passed.
local ledger, task = KEYS[1], ARGV[1]
local seen = redis.call('HMGET', ledger, 'token:' .. task, 'position:' .. task)
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end
local found = seen[2] or ''
if found ~= ARGV[3] then return {'MOVED', found} end
local update = {'token:' .. task, ARGV[2], 'position:' .. task, ARGV[4]}
append_frames(ledger, 2, 5, update)
redis.call('HSET', ledger, unpack(update))
return {'OK'}
