-- Forget a reader for good.
-- KEYS ledger   ARGV reader: a task, or 'group <name>'; then the streams that may have the group   -> 1, or 0: not known
local ledger, reader, known = KEYS[1], ARGV[1], 0
local home = string.sub(ledger, 1, -#'ledger' - 1)
local group = string.match(reader, '^group (.*)$')
if not group then
  redis.call('DEL', home .. 'snapshot:' .. reader, home .. 'snapshot:' .. reader .. ':previous')
  known = redis.call('HDEL', ledger, 'token:' .. reader, 'position:' .. reader, 'lease:' .. reader, 'life:' .. reader,
    'tried:' .. reader)
  return known > 0 and 1 or 0
end
local streams = {}
for i = 2, #ARGV do streams[ARGV[i]] = true end
for _, field in ipairs(redis.call('HKEYS', ledger)) do
  local stream = string.match(field, '^end:(.*)$')
  if stream then streams[stream] = true end
end
for stream in pairs(streams) do
  known = known + redis.call('HDEL', ledger, 'settled:' .. group .. ':' .. stream)
  local key = home .. stream
  if redis.call('EXISTS', key) == 1 then known = known + redis.call('XGROUP', 'DESTROY', key, group) end
end
return known > 0 and 1 or 0
