-- Remove what no reader needs any more, or only name the readers.
-- KEYS  ledger, stream   ARGV  stream name, ordinal up to which to remove: 0 removes nothing
-- -> {ordinal up to which everything is gone, then per reader: name, ordinal up to which it needs nothing}
-- What may go is found out here and not by the caller: in between a reader could come, or go back to its snapshot.
local ledger, key, name = KEYS[1], KEYS[2], ARGV[1]
local home = string.sub(ledger, 1, -#'ledger' - 1)
local done, fields = {}, {}
local function needs(reader, upto)
  upto = tonumber(upto) or 0
  if not done[reader] or upto < done[reader] then done[reader] = upto end
end
local function before(id)
  local last, count = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(last) - tonumber(count)
end
local flat = redis.call('HGETALL', ledger)
for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
local last = tonumber(fields['end:' .. name] or '0')
for field, value in pairs(fields) do
  local task = string.match(field, '^token:(.*<.*)$')
  if task then
    local input = string.match(task, '<([^<]*)$')
    if input == name then needs(task, fields['position:' .. task]) end
    for _, age in ipairs({'', ':previous'}) do
      local saved = redis.call('HMGET', home .. 'snapshot:' .. task .. age, 'position', 'ends')
      if saved[1] then
        if input == name then needs(task, saved[1]) end
        -- What recovery computes again is compared with what was written after these ends.
        local whole, ends = pcall(cjson.decode, saved[2] or '')
        if not whole or type(ends) ~= 'table' then needs(task, 0) end
        if whole and type(ends) == 'table' and ends[name] then needs(task, ends[name]) end
      end
    end
  end
  -- Where a group is made anew if it gets lost.
  local group, stream = string.match(field, '^settled:(.*):([^:]*)$')
  if group and stream == name then
    local kind, id = string.match(value, '^(%S+) (.*)$')
    needs('group ' .. group, kind == 'before' and before(id) or string.match(id, '^%d+'))
  end
end
for _, about in ipairs(redis.call('EXISTS', key) == 1 and redis.call('XINFO', 'GROUPS', key) or {}) do
  local said = {}
  for i = 1, #about, 2 do said[about[i]] = about[i + 1] end
  local unread = redis.pcall('XRANGE', key, '(' .. said['last-delivered-id'], '+', 'COUNT', 1)[1]
  local pending = redis.call('XPENDING', key, said['name'], '-', '+', 1)[1]
  needs('group ' .. said['name'], unread and before(unread[1]) or last)
  if pending then needs('group ' .. said['name'], before(pending[1])) end
end
local upto, reply = math.min(tonumber(ARGV[2]), last), {}
for reader, ordinal in pairs(done) do
  upto = math.min(upto, ordinal)
  reply[#reply + 1] = reader
  reply[#reply + 1] = string.format('%.0f', ordinal)
end
if upto > 0 then redis.call('XTRIM', key, 'MINID', '=', string.format('%.0f-0', upto + 1)) end
local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
return {string.format('%.0f', first and before(first[1]) or last), unpack(reply)}
