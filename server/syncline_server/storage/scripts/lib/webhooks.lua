-- Webhook of a write.
--
-- webhooks_limit    webhooks that may wait in one bucket; absent = the service has none
-- webhooks_reports  "1" if the write itself queues one; absent = only an expiry that it comes across
-- endpoint          endpoint that makes the write; absent = none

local function queue_webhook(kind, object, by, data, expired)
  if arguments.webhooks_limit and (expired or arguments.webhooks_reports) then
    also(append_webhook, tag, tonumber(arguments.webhooks_limit),
         {k = TYPE .. '_' .. kind, o = object[SID], n = object[NAME], r = object[REVISION], d = data, i = by,
          e = not expired and arguments.endpoint or ''})
  end
end
