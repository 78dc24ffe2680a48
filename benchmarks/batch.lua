-- A hundred events of ordinary size in one request.
local event = '{"event_type":"page_view","user_id":"u-1742","session_id":"k3j9x2lq8mz1a0",' ..
  '"timestamp":"' .. os.date("!%Y-%m-%dT%H:%M:%S.000Z") .. '",' ..
  '"properties":{"path":"/pricing","referrer":"https://example.com/","width":1440,' ..
  '"experiment":"b","first_visit":true}}'
local events = {}
for i = 1, 100 do events[i] = event end
wrk.method = "POST"
wrk.path = "/api/v1/events/batch"
wrk.headers["Content-Type"] = "application/json"
wrk.body = "[" .. table.concat(events, ",") .. "]"
