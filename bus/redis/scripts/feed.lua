-- Put an entry into a subscriber's stream, unless it has one of the same key.
-- KEYS  stream, its keys   ARGV  key, entries to keep, keys to remember, then the fields   -> 1, or 0
-- Entries are numbered 1, 2, 3, ...: a reader sees by the numbers what was trimmed before it came.
local call, stream, known, key = redis.call, KEYS[1], KEYS[2], ARGV[1]
local last = call('EXISTS', stream) == 1 and 0 or nil
if last then
  if call('ZSCORE', known, key) then return 0 end
  local about = call('XINFO', 'STREAM', stream)
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' then last = tonumber(string.match(about[i + 1], '^%d+')) end
  end
end
-- The first write of all: with no memory left it is refused, and nothing has been written then.
local number = string.format('%d', (last or 0) + 1)
call('XADD', stream, 'MAXLEN', '~', ARGV[2], number .. '-0', unpack(ARGV, 4))
-- A stream that somebody deleted begins anew, and so do its keys.
if not last then call('DEL', known) end
call('ZADD', known, number, key)
call('ZREMRANGEBYRANK', known, 0, -1 - ARGV[3])
return 1
