#!lua flags=allow-oom
-- As a commit without outputs, and allowed when the server has no memory left: what makes room begins with it.
-- KEYS ledger   ARGV task, token, expected position, new position   -> {'OK'}, {'FENCED', token} or {'MOVED', position}
local ledger, task = KEYS[1], ARGV[1]
local seen = redis.call('HMGET', ledger, 'token:' .. task, 'position:' .. task)
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end
local found = seen[2] or ''
if found ~= ARGV[3] then return {'MOVED', found} end
redis.call('HSET', ledger, 'token:' .. task, ARGV[2], 'position:' .. task, ARGV[4])
return {'OK'}
