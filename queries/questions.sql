-- Five questions that an analyst asks first, of the view `events`. Each runs unchanged in DuckDB,
-- Spark and Athena.

-- Page views a day
SELECT event_date, count(*) AS page_views
FROM events
WHERE event_type = 'page_view'
GROUP BY event_date
ORDER BY event_date;

-- Top pages
SELECT regexp_extract(url, '^https?://[^/?#]+([^?#]*)', 1) AS page, count(*) AS page_views
FROM events
WHERE event_type = 'page_view' AND url IS NOT NULL
GROUP BY regexp_extract(url, '^https?://[^/?#]+([^?#]*)', 1)
ORDER BY page_views DESC, page
LIMIT 20;

-- Users a week
SELECT CAST(date_trunc('week', event_date) AS DATE) AS week, count(DISTINCT user_id) AS users
FROM events
GROUP BY CAST(date_trunc('week', event_date) AS DATE)
ORDER BY week;

-- A funnel: who viewed a page, then signed up, then bought
WITH first_times AS (
    SELECT
        user_id,
        min(CASE WHEN event_type = 'page_view' THEN timestamp END) AS viewed_at,
        min(CASE WHEN event_type = 'signup' THEN timestamp END) AS signed_up_at,
        min(CASE WHEN event_type = 'purchase' THEN timestamp END) AS bought_at
    FROM events
    WHERE user_id IS NOT NULL
    GROUP BY user_id
)
SELECT
    count(viewed_at) AS viewed,
    count(CASE WHEN signed_up_at >= viewed_at THEN 1 END) AS signed_up,
    count(CASE WHEN signed_up_at >= viewed_at AND bought_at >= signed_up_at THEN 1 END) AS bought
FROM first_times;

-- Sessions: a user's visits, with at most 30 minutes between two events
WITH marked AS (
    SELECT
        user_id,
        timestamp,
        CASE
            WHEN timestamp <= lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp)
                + INTERVAL '30' MINUTE THEN 0
            ELSE 1
        END AS begins
    FROM events
    WHERE user_id IS NOT NULL
),
numbered AS (
    SELECT
        user_id,
        timestamp,
        sum(begins) OVER (PARTITION BY user_id ORDER BY timestamp ROWS UNBOUNDED PRECEDING)
            AS session_number
    FROM marked
)
SELECT user_id, session_number, min(timestamp) AS begun_at, count(*) AS events
FROM numbered
GROUP BY user_id, session_number
ORDER BY user_id, session_number;
