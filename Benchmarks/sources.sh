# sources.sh: the rows of bench.sh about where the accounts are; bench.sh sources it. Rempart alone.

# What the rows need beside the usual: both servers, and their drivers for unixODBC.
readonly server_packages=(mariadb-server-core mariadb-client-core odbc-mariadb postgresql-15 odbc-postgresql)
readonly postgresql=/usr/lib/postgresql/15/bin

# The accounts as lines of names and secrets.
list_accounts() { sqlite3 -separator $'\t' "$folder/accounts.sqlite3" "select name, secret from sippeers"; }

# Has the namespace of the edge see a DSN of its own: ip(8) lays what is in /etc/netns over /etc.
write_data_source() {
    if [ ! -e /etc/odbc.ini ]; then
        touch /etc/odbc.ini
        laid_under=/etc/odbc.ini
    fi
    mkdir -p "/etc/netns/$tag-edge"
    printf '[bench]\n%s\n' "$1" >"/etc/netns/$tag-edge/odbc.ini"
    accounts_url=odbc://bench
}

await_server() {
    local i
    for ((i = 0; i < 300; i++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    die "the database server does not answer: $(tail -n 20 "$folder/server.log")"
}

as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }

in_mariadb() { mariadb --no-defaults -uroot "--socket=$folder/server/socket" --local-infile=1 "$@"; }

in_postgresql() { as_postgres "$postgresql/psql" -q -h "$folder/server" -v ON_ERROR_STOP=1 "$@"; }

use_sqlite() { accounts_url=; }

use_files() {
    mkdir -p "$folder/etc"
    list_accounts | awk -F'\t' '{printf "[%s]\ntype=friend\nhost=dynamic\nsecret=%s\n", $1, $2}' >"$folder/etc/sip.conf"
    chmod -R a+rX "$folder/etc"
    accounts_url=asterisk://$folder/etc
}

use_mariadb() {
    mkdir "$folder/server"
    chown nobody "$folder/server"
    mariadb-install-db --no-defaults --user=nobody "--datadir=$folder/server" \
        --auth-root-authentication-method=normal --skip-test-db >"$folder/server.log" 2>&1
    start edge server.log mariadbd --no-defaults --user=nobody "--datadir=$folder/server" \
        "--socket=$folder/server/socket" --skip-networking --local-infile=1
    server=$last
    await_server in_mariadb -e "SELECT 1"
    list_accounts >"$folder/accounts.tsv"
    in_mariadb <<SQL
CREATE DATABASE asterisk;
USE asterisk;
CREATE TABLE sippeers (name VARCHAR(40) PRIMARY KEY, type VARCHAR(10) DEFAULT 'friend',
    host VARCHAR(40) DEFAULT 'dynamic', secret VARCHAR(80));
LOAD DATA LOCAL INFILE '$folder/accounts.tsv' INTO TABLE sippeers (name, secret);
CREATE USER rempart@localhost;
GRANT SELECT ON asterisk.* TO rempart@localhost;
SQL
    write_data_source "Driver = MariaDB Unicode
SOCKET = $folder/server/socket
DATABASE = asterisk
UID = rempart"
}

use_postgresql() {
    mkdir "$folder/server"
    chown postgres "$folder/server"
    as_postgres "$postgresql/initdb" -D "$folder/server/data" -A trust --no-sync -E UTF8 --locale=C.UTF-8 \
        >"$folder/server.log"
    start edge server.log setpriv --reuid=postgres --regid=postgres --clear-groups "$postgresql/postgres" \
        -D "$folder/server/data" -k "$folder/server" -c listen_addresses=
    server=$last
    await_server in_postgresql -d postgres -c "SELECT 1"
    in_postgresql -d postgres -c "CREATE DATABASE asterisk"
    in_postgresql -d asterisk -c "CREATE TABLE sippeers (name varchar(40) PRIMARY KEY, type varchar(10) DEFAULT 'friend',
        host varchar(40) DEFAULT 'dynamic', secret varchar(80))"
    list_accounts | in_postgresql -d asterisk -c "COPY sippeers (name, secret) FROM STDIN"
    in_postgresql -d asterisk -c "CREATE ROLE rempart LOGIN; GRANT SELECT ON sippeers TO rempart"
    write_data_source "Driver = PostgreSQL Unicode
Servername = $folder/server
Database = asterisk
Username = rempart"
}

end_server() {
    [ -z "${server:-}" ] || kill -KILL -- "-$server" 2>/dev/null || true
    server='' accounts_url=''
    rm -rf "$folder/server" "$folder/etc"
}

# One registration of each account, and what accounts-reader and directory need for it.
measure_look_ups() {
    local edge=$1 what=$2 count=$3 pids before after
    mapfile -t pids < <(component accounts-reader && component directory)
    before=$(cpu_time "${pids[@]}")
    # Those before have registered already (begin).
    measure "$edge" "register-$what" register $outside first=1000 accounts="$count" units="$count"
    after=$(cpu_time "${pids[@]}")
    fact "$what: accounts-reader and directory, us a registration" "$edge" \
        "$(awk "BEGIN {print ($after - $before) / $count}")"
}

# 20,000 accounts that nobody has asked for, then the same again.
row_sources() {
    local kind count server=''
    count=$(scaled 20000)
    for kind in sqlite files mariadb postgresql; do
        use_$kind
        begin "$1"
        measure_look_ups "$1" "$kind-cold" "$count"
        measure_look_ups "$1" "$kind-known" "$count"
        stop_edge
        end_server
    done
    # The loop over the rows ends an edge.
    start_rempart
}

# How many statements MariaDB has carried out so far.
statements() { in_mariadb -N -e "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'" | cut -f2; }

row_strangers() {
    local seconds=10 server='' storm edge before after defence
    # The kernel would stop a storm of so few addresses before it costs anything.
    defence='allow: [198.18.1.0/26]
  packets: 0
  failures: 1000
  window: 1s'
    use_mariadb
    begin "$1"
    edge=$last
    measure "$1" "(known)" register $outside first=10000 accounts=2000 units=2000
    # So that what is known of them has to be asked for again.
    sleep $old_after
    before=$(statements)
    measure "$1" register-old-alone register $outside first=10000 accounts=1000 units=1000 rate=100
    after=$(statements)
    fact "statements a registration of an account that is old" "$1" \
        "$(awk "BEGIN {print ($after - $before) / 1000}")"
    before=$after
    start clients storm.log "$bin/loadgen" client stranger $outside 198.18.1.101:5060 \
        sources=100 window=20000 accounts=1000000 units=$((10000 * seconds)) rate=10000 \
        agent="$phone"
    storm=$last last=$edge
    measure "$1" register-old-in-a-storm register $outside first=11000 accounts=$((100 * seconds)) \
        units=$((100 * seconds)) rate=100
    wait "$storm" || cat "$folder/storm.log" >&2
    after=$(statements)
    fact "strangers: asked a second" "$1" "$(awk '/^[0-9]/ {print $1 / $2}' "$folder/storm.log")"
    fact "strangers: failures" "$1" "$(awk '/^[0-9]/ {print $5}' "$folder/storm.log")"
    # Each of the phones has cost one too.
    fact "strangers: statements a second in MariaDB" "$1" "$(((after - before) / seconds))"
    stop_edge
    end_server
    start_rempart
}
