-- Put in front of the scripts that append frames: they call it by name.
-- KEYS  from `keys` on: the streams, each once
-- ARGV  from `at` on: the streams' names, then groups of neighbours that have much in common:
--       number of the stream, number of frames, tag, writer, trace, 1 if they have columns,
--       then per frame: count, body, digest [, columns]
-- Ordinals are explicit: what is applied twice cannot append twice.
local call, format = redis.call, string.format

local function append_frames(ledger, keys, at, update)
  local argv, streams = ARGV, #KEYS - keys + 1
  if streams == 0 then return end
  local names = {}
  for i = 1, streams do names[i] = 'end:' .. argv[at + i - 1] end
  local ends = call('HMGET', ledger, unpack(names))
  at = at + streams
  while at <= #argv do
    local number, frames, tag, writer, trace = tonumber(argv[at]), tonumber(argv[at + 1]), argv[at + 2], argv[at + 3], argv[at + 4]
    local key, last, width = KEYS[keys + number - 1], tonumber(ends[number] or '0'), argv[at + 5] == '1' and 4 or 3
    at = at + 6
    for _ = 1, frames do
      local count = argv[at]
      last = last + count
      local id = format('%d-%s', last, count)
      if width == 3 and trace == '' then
        call('XADD', key, id, 't', tag, 'w', writer, 'b', argv[at + 1], 'd', argv[at + 2])
      else
        local fields = {'t', tag, 'w', writer, 'b', argv[at + 1], 'd', argv[at + 2]}
        if width == 4 then fields[9], fields[10] = 'c', argv[at + 3] end
        if trace ~= '' then fields[#fields + 1], fields[#fields + 2] = 'x', trace end
        call('XADD', key, id, unpack(fields))
      end
      at = at + width
    end
    ends[number] = last
  end
  for i = 1, streams do
    update[#update + 1] = names[i]
    update[#update + 1] = format('%d', tonumber(ends[i] or '0'))
  end
end
