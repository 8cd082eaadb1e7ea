#!/usr/bin/env bash
# Production on one machine, without containers: Postgres, Redis, an S3 server, two workers
# of the service and the Dagster daemon, all on loopback and all from the same variables.
#
#   infra/local-production.sh up             start all, release the dataset `tiny` once, until Ctrl-C
#   infra/local-production.sh up services    start Postgres, Redis and S3 only, until Ctrl-C
#   infra/local-production.sh down           end all, from another terminal
#   infra/local-production.sh env            print the variables: eval "$(infra/local-production.sh env)"
#
# Everything lies in $FOLDER. Ports and the dataset can be chosen by the variables below.
# MILVUS, the milvus-server of an environment of its own (pip install milvus==2.3.5), starts it too.
set -euo pipefail
cd "$(dirname "$0")/.."
FOLDER=$(realpath -m "${FOLDER:-.local-production}")
PYTHON=${PYTHON:-.venv/bin/python}
DATASET=${DATASET:-tiny}
POSTGRES_PORT=${POSTGRES_PORT:-55432} REDIS_PORT=${REDIS_PORT:-56379} S3_PORT=${S3_PORT:-55000}
SERVE_PORT=${SERVE_PORT:-8000} SECOND_SERVE_PORT=${SECOND_SERVE_PORT:-8001}
MILVUS=${MILVUS:-} MILVUS_PORT=${MILVUS_PORT:-59530}
POSTGRES_BIN=${POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1 || true)}
# Postgres refuses to run as root.
AS_POSTGRES=()
[ "$(id -u)" -ne 0 ] || AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --clear-groups)

variables() {
    local server="gatehouse@127.0.0.1:$POSTGRES_PORT"
    cat <<END
export GATEHOUSE_HOME='$FOLDER/home'
export GATEHOUSE_MLFLOW_URI='postgresql://$server/mlflow'
export GATEHOUSE_FEATURE_REGISTRY='postgresql://$server/features'
export GATEHOUSE_DAGSTER_STORAGE='postgresql+psycopg2://$server/dagster'
export GATEHOUSE_ARTIFACTS='s3://gatehouse/artifacts' GATEHOUSE_DATA='s3://gatehouse/data'
export GATEHOUSE_ONLINE_STORE='{"type": "redis", "connection_string": "127.0.0.1:$REDIS_PORT"}'
export MLFLOW_S3_ENDPOINT_URL='http://127.0.0.1:$S3_PORT' AWS_ENDPOINT_URL='http://127.0.0.1:$S3_PORT'
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1
${MILVUS:+export GATEHOUSE_MILVUS_URI='http://127.0.0.1:$MILVUS_PORT'}
export DAGSTER_HOME='$FOLDER/home/dagster' NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
END
}

# start NAME COMMAND...: in the background, in a session of its own, so that Ctrl-C ends things in order.
start() {
    local name=$1
    shift
    setsid "$@" >"$FOLDER/logs/$name.log" 2>&1 </dev/null &
    note "$name" $!
    NAMES+=("$name")
}

# note NAME PID: with the time of its start, since another process may get the number later.
note() {
    echo "$2 $(ps -o lstart= -p "$2")" >"$FOLDER/pids/$1"
}

# id_of NAME: its process id; fails if it does not run any more.
id_of() {
    local pid since
    read -r pid since 2>/dev/null <"$FOLDER/pids/$1" && [ "$(ps -o lstart= -p "$pid")" = "$since" ] && echo "$pid"
}

# wait_for NAME COMMAND...: until the command succeeds; fails if NAME has ended, or after four minutes.
wait_for() {
    local name=$1 tries=0
    shift
    until "$@" >/dev/null 2>&1; do
        if ! id_of "$name" >/dev/null || [ $((tries += 1)) -gt 480 ]; then
            echo "$name does not work; the end of $FOLDER/logs/$name.log:" >&2
            tail -n 20 "$FOLDER/logs/$name.log" >&2
            return 1
        fi
        sleep 0.5
    done
    echo "$name works"
}

start_databases() {
    if [ ! -d "$FOLDER/postgres" ]; then
        install -d -m 700 "$FOLDER/postgres"
        [ "$(id -u)" -ne 0 ] || chown postgres "$FOLDER/postgres"
        "${AS_POSTGRES[@]}" "$POSTGRES_BIN/initdb" -D "$FOLDER/postgres" -U gatehouse -A trust -E UTF8 --locale=C >"$FOLDER/logs/initdb.log"
    fi
    start postgres "${AS_POSTGRES[@]}" "$POSTGRES_BIN/postgres" -D "$FOLDER/postgres" -p "$POSTGRES_PORT" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC
    wait_for postgres psql_in postgres -c 'SELECT 1'
    for database in mlflow features dagster; do
        [ -n "$(psql_in postgres -Atc "SELECT 1 FROM pg_database WHERE datname = '$database'")" ] ||
            psql_in postgres -qc "CREATE DATABASE $database"
    done
    start redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --appendonly yes --dir "$FOLDER/redis"
    wait_for redis redis-cli -p "$REDIS_PORT" ping
}

psql_in() {
    "$POSTGRES_BIN/psql" -h 127.0.0.1 -p "$POSTGRES_PORT" -U gatehouse -d "$@"
}

start_objects() {
    start s3 "$PYTHON" -m moto.server -H 127.0.0.1 -p "$S3_PORT"
    wait_for s3 curl -sf --noproxy '*' "http://127.0.0.1:$S3_PORT/"
    # The server keeps its objects in memory: what the last end saved comes back.
    "$PYTHON" -m infra.bucket load s3://gatehouse "$FOLDER/s3"
}

start_milvus() {
    mkdir -p "$FOLDER/milvus"
    start milvus "$MILVUS" --data "$FOLDER/milvus" --proxy-port "$MILVUS_PORT"
    wait_for milvus curl -sf --noproxy '*' "http://127.0.0.1:$MILVUS_PORT/v1/vector/collections"
}

start_gatehouse() {
    # In the background: bash would end nothing before the run has ended by itself. The same
    # input makes no second version.
    "$PYTHON" -m orchestration.cli run --dataset "$DATASET" &
    note run $!
    wait $!
    rm "$FOLDER/pids/run"
    start serve "$PYTHON" -m orchestration.cli serve --dataset "$DATASET" --port "$SERVE_PORT"
    # It leaves events to the consumer of the first.
    start serve-second "$PYTHON" -m orchestration.cli serve --dataset "$DATASET" --port "$SECOND_SERVE_PORT" --no-consumer
    start dagster-daemon "$PYTHON" -m dagster._daemon run -m orchestration.definitions -d "$PWD"
    wait_for serve curl -sf --noproxy '*' "http://127.0.0.1:$SERVE_PORT/readyz"
    wait_for serve-second curl -sf --noproxy '*' "http://127.0.0.1:$SECOND_SERVE_PORT/readyz"
    echo "http://127.0.0.1:$SERVE_PORT and http://127.0.0.1:$SECOND_SERVE_PORT serve $DATASET"
}

up() {
    mkdir -p "$FOLDER"/{logs,pids,redis,s3}
    [ -z "$(ls -A "$FOLDER/pids")" ] || { echo "$FOLDER runs, or was killed: infra/local-production.sh down" >&2; exit 1; }
    require_free POSTGRES_PORT REDIS_PORT S3_PORT ${MILVUS:+MILVUS_PORT} SERVE_PORT SECOND_SERVE_PORT
    NAMES=()
    trap 'exit 130' INT TERM HUP
    trap end_all EXIT
    note up $$
    start_databases
    start_objects
    [ -z "$MILVUS" ] || start_milvus
    [ "${1:-}" = services ] || start_gatehouse
    echo "all work; Ctrl-C ends them"
    while sleep 1; do
        for name in "${NAMES[@]}"; do
            id_of "$name" >/dev/null || { echo "$name has ended" >&2; exit 1; }
        done
    done
}

# require_free VARIABLE...: fails if something listens at one of these ports, since it would be taken for what starts here.
require_free() {
    local name
    for name in "$@"; do
        ! (: <"/dev/tcp/127.0.0.1/${!name}") 2>/dev/null ||
            { echo "port ${!name} is taken: end what listens there, or set $name" >&2; exit 1; }
    done
}

# end NAME SIGNAL: by its process id; killed if it still lives after a while.
end() {
    local pid tries=0
    [ -f "$FOLDER/pids/$1" ] || return 0
    while pid=$(id_of "$1"); do
        [ "$tries" -ne 0 ] || kill "-$2" "$pid" 2>/dev/null || true
        [ $((tries += 1)) -le 80 ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.25
    done
    rm -f "$FOLDER/pids/$1"
    echo "$1 has ended"
}

end_all() {
    trap '' INT TERM HUP
    trap - EXIT
    end run TERM
    end serve-second TERM
    end serve TERM
    end dagster-daemon TERM
    ! id_of s3 >/dev/null || "$PYTHON" -m infra.bucket save s3://gatehouse "$FOLDER/s3" || true
    end s3 TERM
    end milvus INT
    end redis TERM
    end postgres INT # without waiting for clients
    rm -f "$FOLDER/pids/up"
}

down() {
    local pid
    if pid=$(id_of up) && kill -TERM "$pid" 2>/dev/null; then
        while id_of up >/dev/null; do sleep 0.25; done
    fi
    end_all # if `up` was killed, its processes are left
}

eval "$(variables)"
case "${1:-}" in
    up) up "${2:-}" ;;
    down) down ;;
    env) variables ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
