# docker build -t analytics-platform .
# docker run -p 8080:8080 -v analytics:/var/lib/analytics-platform \
#     -e S3_BUCKET_NAME=my-bucket -e AWS_REGION=eu-central-1 analytics-platform
# A shutdown takes up to 41 s: `docker stop -t 45`, or terminationGracePeriodSeconds: 45. Add
# SHUTDOWN_DELAY if you set it.
FROM python:3.11-slim

# The user has a fixed id, so that a volume can be given to it. The directory is created before
# VOLUME, which keeps its owner.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/analytics-platform \
        --shell /usr/sbin/nologin analytics \
    && install -d -o analytics -g analytics -m 700 /var/lib/analytics-platform

WORKDIR /app

# Libraries come first, so that a change of the code does not install them again.
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY server.py collector.py ./
COPY handlers handlers
COPY http1 http1
COPY journal_tools journal_tools
COPY logs logs
COPY settings settings
COPY storage storage
COPY validation validation
COPY web web

USER 10001:10001
ENV JOURNAL_DIR=/var/lib/analytics-platform/journal
# It holds the events that are not delivered yet. Mount a volume here: without one they are lost
# with the container.
VOLUME /var/lib/analytics-platform
EXPOSE 8080
STOPSIGNAL SIGTERM

# http.client, because urllib would send the request to the proxy in http_proxy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", \
    "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["python", "server.py"]
