# docker build -t analytics-platform .
# docker run -p 8080:8080 -v analytics:/var/lib/analytics-platform \
#     -e S3_BUCKET_NAME=my-bucket -e AWS_REGION=eu-central-1 analytics-platform
# A shutdown takes up to 40 s: `docker stop -t 45`, or terminationGracePeriodSeconds: 45.
FROM python:3.11-slim

# A fixed number, so that it can be named as the owner of a volume. VOLUME keeps what is there
# before it: the owner of the directory, too.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/analytics-platform \
        --shell /usr/sbin/nologin analytics \
    && install -d -o analytics -g analytics -m 700 /var/lib/analytics-platform

WORKDIR /app

# The libraries first: a change of the code does not install them again.
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
# Events that are not delivered yet: without a volume of their own they go with the container.
VOLUME /var/lib/analytics-platform
EXPOSE 8080
STOPSIGNAL SIGTERM

# Not by urllib, which would ask the proxy that http_proxy names.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", \
    "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["python", "server.py"]
