-- What a partition holds beside its streams, at one moment.
-- KEYS ledger   -> {fields and values of the ledger, then per snapshot: name of its key, its fields and values}
local ledger = KEYS[1]
local home = string.sub(ledger, 1, -#'ledger' - 1)
local flat = redis.call('HGETALL', ledger)
local reply = {flat}
for i = 1, #flat, 2 do
  local task = string.match(flat[i], '^token:(.*<.*)$')
  if task then
    for _, age in ipairs({'', ':previous'}) do
      local saved = redis.call('HGETALL', home .. 'snapshot:' .. task .. age)
      if #saved > 0 then
        reply[#reply + 1] = task .. age
        reply[#reply + 1] = saved
      end
    end
  end
end
return reply
