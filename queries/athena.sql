-- A table and a view of the store for Athena; docs/querying.md explains them. Replace
-- s3://my-bucket/events by the location of your store, at both places.
CREATE EXTERNAL TABLE stored_events (
    event_id string,
    event_type string,
    `timestamp` string,
    received_at string,
    user_id string,
    session_id string,
    properties string,
    user_agent string,
    ip_address string,
    original_event_id string
)
PARTITIONED BY (year string, month string, day string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES (
    'case.insensitive' = 'false',
    'ignore.malformed.json' = 'false'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat'
LOCATION 's3://my-bucket/events/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.year.type' = 'integer',
    'projection.year.range' = '2000,2100',
    'projection.month.type' = 'integer',
    'projection.month.range' = '1,12',
    'projection.month.digits' = '2',
    'projection.day.type' = 'integer',
    'projection.day.range' = '1,31',
    'projection.day.digits' = '2',
    'storage.location.template' = 's3://my-bucket/events/year=${year}/month=${month}/day=${day}/'
);

-- One row for each event_id, the first that was received; times as UTC instants.
CREATE OR REPLACE VIEW events AS
SELECT
    event_id,
    event_type,
    from_iso8601_timestamp(timestamp) AS timestamp,
    CAST(substr(timestamp, 1, 10) AS DATE) AS event_date,
    from_iso8601_timestamp(received_at) AS received_at,
    user_id,
    session_id,
    properties,
    json_extract_scalar(properties, '$.url') AS url,
    json_extract_scalar(properties, '$.title') AS title,
    json_extract_scalar(properties, '$.referrer') AS referrer,
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
