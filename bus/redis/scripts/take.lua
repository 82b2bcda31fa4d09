-- Pending entries with their content: our own, or those of others, which become ours.
-- KEYS  stream
-- ARGV  group, consumer, shortest time since they were touched in ms (own: -1), the id behind which to begin, how many,
--       then the consumers to take from (none: all others)
-- The number of deliveries stays as it is: being handed an entry is not yet a try. XCLAIM drops entries that were
-- deleted, so those are only named: whoever settles them first says that they are missing.
local stream, group, me = KEYS[1], ARGV[1], ARGV[2]
local idle, start, count = tonumber(ARGV[3]), '(' .. ARGV[4], tonumber(ARGV[5])
local from, found = {}, {}
for i = 6, #ARGV do from[#from + 1] = ARGV[i] end

local function look(consumer)
  while #found < count do
    local command = {'XPENDING', stream, group}
    if idle > 0 then
      command[4], command[5] = 'IDLE', idle
    end
    for _, part in ipairs({start, '+', count}) do command[#command + 1] = part end
    command[#command + 1] = consumer
    local rows = redis.call(unpack(command))
    for _, row in ipairs(rows) do
      if #found == count then return end
      if idle < 0 or row[2] ~= me then
        local entry = redis.call('XRANGE', stream, row[1], row[1])[1]
        if entry and idle >= 0 then redis.call('XCLAIM', stream, group, me, 0, row[1], 'JUSTID') end
        found[#found + 1] = {row[1], row[4], entry and entry[2] or {}}
      end
    end
    if #rows < count then return end
    start = '(' .. rows[#rows][1]
  end
end

if idle < 0 then
  look(me)
elseif #from == 0 then
  look(nil)
else
  for _, consumer in ipairs(from) do
    start = '(' .. ARGV[4]
    look(consumer)
  end
end
return found
