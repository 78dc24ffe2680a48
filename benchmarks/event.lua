-- An event of ordinary size, as wrk sends it again and again.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"event_type":"page_view","user_id":"u-1742","session_id":"k3j9x2lq8mz1a0",' ..
  '"timestamp":"' .. os.date("!%Y-%m-%dT%H:%M:%S.000Z") .. '",' ..
  '"properties":{"path":"/pricing","referrer":"https://example.com/","width":1440,' ..
  '"experiment":"b","first_visit":true}}'
