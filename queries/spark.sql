-- Views of the store for Spark SQL; docs/querying.md explains them. Replace s3a://my-bucket/events
-- by the location of your store.
SET spark.sql.session.timeZone = UTC;

-- Every object of either layout, one row for each stored event. The columns are named here, since
-- Spark would otherwise infer them from what clients put into their events.
CREATE OR REPLACE TEMPORARY VIEW stored_events (
    event_id STRING,
    event_type STRING,
    `timestamp` STRING,
    received_at STRING,
    user_id STRING,
    session_id STRING,
    properties STRING,
    user_agent STRING,
    ip_address STRING,
    original_event_id STRING,
    year STRING,
    month STRING,
    day STRING
)
USING json
OPTIONS (path 's3a://my-bucket/events', mode 'FAILFAST');

-- One row for each event_id, the first that was received; times as UTC instants.
CREATE OR REPLACE TEMPORARY VIEW events AS
SELECT
    event_id,
    event_type,
    CAST(`timestamp` AS TIMESTAMP) AS `timestamp`,
    CAST(substr(`timestamp`, 1, 10) AS DATE) AS event_date,
    CAST(received_at AS TIMESTAMP) AS received_at,
    user_id,
    session_id,
    properties,
    get_json_object(properties, '$.url') AS url,
    get_json_object(properties, '$.title') AS title,
    get_json_object(properties, '$.referrer') AS referrer,
    user_agent,
    ip_address,
    original_event_id,
    year,
    month,
    day
FROM (
    SELECT
        *,
        row_number() OVER (PARTITION BY event_id ORDER BY received_at, `timestamp`) AS copy
    FROM stored_events
) AS numbered
WHERE copy = 1;
