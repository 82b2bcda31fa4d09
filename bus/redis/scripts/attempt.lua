#!lua flags=allow-oom
-- Say who works on a task from here on, or what is tried next, for those who come after a death.
-- KEYS ledger   ARGV task, token, 'life' or 'tried', text   -> {'OK', former life, former try} or {'FENCED', token seen}
local ledger, task = KEYS[1], ARGV[1]
local seen = redis.call('HMGET', ledger, 'token:' .. task, 'life:' .. task, 'tried:' .. task)
if seen[1] and tonumber(seen[1]) > tonumber(ARGV[2]) then return {'FENCED', seen[1]} end
redis.call('HSET', ledger, ARGV[3] .. ':' .. task, ARGV[4])
return {'OK', seen[2] or '', seen[3] or ''}
