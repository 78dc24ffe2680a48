-- Views of the store for DuckDB; docs/querying.md explains them. `make query` runs this file on
-- the local store. For a bucket, set the location to s3://my-bucket/events and create a secret.
SET VARIABLE location = coalesce(getvariable('location'), 'data/store/events');

-- Every object of either layout, one row for each stored event. The columns are named here, since
-- DuckDB would otherwise infer them from what clients put into their events.
CREATE OR REPLACE VIEW stored_events AS
SELECT *
FROM read_json(
    getvariable('location') || '/year=*/month=*/day=*/*',
    format = 'newline_delimited',
    maximum_object_size = 16777216,
    hive_partitioning = true,
    hive_types = {'year': VARCHAR, 'month': VARCHAR, 'day': VARCHAR},
    columns = {
        event_id: 'VARCHAR',
        event_type: 'VARCHAR',
        timestamp: 'VARCHAR',
        received_at: 'VARCHAR',
        user_id: 'VARCHAR',
        session_id: 'VARCHAR',
        properties: 'JSON',
        user_agent: 'VARCHAR',
        ip_address: 'VARCHAR',
        original_event_id: 'VARCHAR'
    }
);

-- One row for each event_id, the first that was received; times as UTC instants.
CREATE OR REPLACE VIEW events AS
SELECT
    event_id,
    event_type,
    CAST(timestamp AS TIMESTAMPTZ) AS timestamp,
    CAST(substr(timestamp, 1, 10) AS DATE) AS event_date,
    CAST(received_at AS TIMESTAMPTZ) AS received_at,
    user_id,
    session_id,
    properties,
    json_extract_string(properties, '$.url') AS url,
    json_extract_string(properties, '$.title') AS title,
    json_extract_string(properties, '$.referrer') AS referrer,
    user_agent,
    ip_address,
    original_event_id,
    year,
    month,
    day
FROM (
    SELECT
        *,
        row_number() OVER (PARTITION BY event_id ORDER BY received_at, timestamp) AS copy
    FROM stored_events
) AS numbered
WHERE copy = 1;
