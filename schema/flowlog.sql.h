/* SPDX-License-Identifier: ISC */
/*
 * The flow log's tables and views as SQL text (sqlite3).  The views are what
 * people and programs rely on; the tables belong to this version's
 * user_version.  Every number in a view that stands for a word becomes the
 * word by a CASE expression made from schema/flow.def; %s marks its place.
 */
#ifndef SCHEMA_FLOWLOG_SQL_H
#define SCHEMA_FLOWLOG_SQL_H

/* The name of the database within the log directory. */
#define FLOWLOG_FILE "flows.db"

/*
 * Version 1.  flow.end_us is the one time index: rows arrive and leave in
 * about its order.  A flow's rule is its text, stored once, so that it stays
 * what it was when generations begin anew with the next tpxd;
 * rule_number only says what the numbers of the present one mean.
 */
#define FLOWLOG_TABLES_1                                                     \
	"CREATE TABLE rule ("                                                \
	" id INTEGER PRIMARY KEY,"                                           \
	" text TEXT NOT NULL UNIQUE) STRICT;"                                \
	"CREATE TABLE rule_number ("                                         \
	" generation INTEGER NOT NULL,"                                      \
	" number INTEGER NOT NULL,"                                          \
	" rule INTEGER NOT NULL REFERENCES rule,"                            \
	" PRIMARY KEY (generation, number)) STRICT, WITHOUT ROWID;"          \
	"CREATE TABLE flow ("                                                \
	" id INTEGER PRIMARY KEY,"                                           \
	" start_us INTEGER NOT NULL,"                                        \
	" end_us INTEGER NOT NULL,"                                          \
	" proto INTEGER NOT NULL,"                                           \
	" src TEXT NOT NULL,"                                                \
	" sport INTEGER NOT NULL,"                                           \
	" dst TEXT NOT NULL,"                                                \
	" dport INTEGER NOT NULL,"                                           \
	" capture INTEGER NOT NULL,"                                         \
	" uid INTEGER,"                                                      \
	" action INTEGER NOT NULL,"                                          \
	" rule INTEGER REFERENCES rule,"                                     \
	" up_bytes INTEGER NOT NULL,"                                        \
	" down_bytes INTEGER NOT NULL,"                                      \
	" up_packets INTEGER NOT NULL,"                                      \
	" down_packets INTEGER NOT NULL,"                                    \
	" connect_us INTEGER,"                                               \
	" rtt_us INTEGER,"                                                   \
	" close INTEGER NOT NULL,"                                           \
	" error TEXT,"                                                       \
	" worker INTEGER,"                                                   \
	" final INTEGER NOT NULL) STRICT;"                                   \
	"CREATE INDEX flow_end ON flow (end_us);"                            \
	"CREATE TABLE event ("                                               \
	" id INTEGER PRIMARY KEY,"                                           \
	" time_us INTEGER NOT NULL,"                                         \
	" severity INTEGER NOT NULL,"                                        \
	" process TEXT NOT NULL,"                                            \
	" kind TEXT NOT NULL,"                                               \
	" actor TEXT,"                                                       \
	" message TEXT NOT NULL,"                                            \
	" data TEXT) STRICT;"                                                \
	"CREATE TABLE loss ("                                                \
	" id INTEGER PRIMARY KEY,"                                           \
	" time_us INTEGER NOT NULL,"                                         \
	" source TEXT NOT NULL,"                                             \
	" kind TEXT NOT NULL,"                                               \
	" count INTEGER NOT NULL) STRICT;" /* What has to survive a restart: \
					      rows in the log, losses known. \
					    */                               \
	"CREATE TABLE counter ("                                             \
	" name TEXT PRIMARY KEY,"                                            \
	" value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

/*
 * Version 2: names of hosts.  They stand in the rows themselves: a name is
 * about as long as an address, a row without one is two bytes longer, and names
 * kept apart would cost each row a look-up, and a search for those that no row
 * has any more each time that rows go.
 */
#define FLOWLOG_TABLES_2                                                      \
	"ALTER TABLE flow ADD COLUMN host_source INTEGER NOT NULL DEFAULT 0;" \
	"ALTER TABLE flow ADD COLUMN host TEXT;"

/* Version 3.  An upstream's text is stored as a rule's is. */
#define FLOWLOG_TABLES_3                                                    \
	"CREATE TABLE upstream ("                                           \
	" id INTEGER PRIMARY KEY,"                                          \
	" text TEXT NOT NULL UNIQUE) STRICT;"                               \
	"CREATE TABLE upstream_number ("                                    \
	" generation INTEGER NOT NULL,"                                     \
	" number INTEGER NOT NULL,"                                         \
	" upstream INTEGER NOT NULL REFERENCES upstream,"                   \
	" PRIMARY KEY (generation, number)) STRICT, WITHOUT ROWID;"         \
	"ALTER TABLE flow ADD COLUMN upstream INTEGER REFERENCES upstream;" \
	"ALTER TABLE flow ADD COLUMN source INTEGER NOT NULL DEFAULT 0;"

/* Version 4. */
#define FLOWLOG_TABLES_4 \
	"ALTER TABLE flow ADD COLUMN ech INTEGER NOT NULL DEFAULT 0;"

/*
 * Version 5: questions of DNS.  There may be a hundred thousand a second, so
 * they have no index: the id of a row is its time in microseconds, or the next
 * that is free, and what is searched by time is found by id.
 */
#define FLOWLOG_TABLES_5                 \
	"CREATE TABLE query ("           \
	" id INTEGER PRIMARY KEY,"       \
	" client TEXT NOT NULL,"         \
	" cport INTEGER NOT NULL,"       \
	" server TEXT NOT NULL,"         \
	" transport INTEGER NOT NULL,"   \
	" capture INTEGER NOT NULL,"     \
	" qname TEXT,"                   \
	" qtype TEXT,"                   \
	" rcode INTEGER NOT NULL,"       \
	" answers TEXT,"                 \
	" ttl INTEGER,"                  \
	" latency_us INTEGER NOT NULL,"  \
	" source INTEGER NOT NULL,"      \
	" dnssec INTEGER NOT NULL,"      \
	" ede INTEGER,"                  \
	" action INTEGER NOT NULL,"      \
	" rule INTEGER REFERENCES rule," \
	" worker INTEGER NOT NULL) STRICT;"

/* Version 6. */
#define FLOWLOG_TABLES_6 "ALTER TABLE flow ADD COLUMN dns_agrees INTEGER;"

/* Version 7.  Of rows that stand for others; NULL: for itself alone. */
#define FLOWLOG_TABLES_7 "ALTER TABLE query ADD COLUMN one_in INTEGER;"

/* Milliseconds, ISO 8601, UTC. */
#define FLOWLOG_TIME(us)                           \
	"strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', " us \
	" / 1000 / 1000.0, 'unixepoch')"

/* %s: host_source, capture, action, close, source */
#define FLOWLOG_VIEW_FLOWS                                                     \
	"SELECT f.id AS id,"                                                   \
	" " FLOWLOG_TIME(                                                      \
	    "f.start_us") " AS start,"                                         \
			  " f.start_us AS start_us,"                           \
			  " (f.end_us - f.start_us) / 1000.0 AS duration_ms,"  \
			  " CASE f.proto WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp'" \
			  " ELSE CAST(f.proto AS TEXT) END AS proto,"          \
			  " f.src AS src, f.sport AS sport, f.dst AS dst, "    \
			  "f.dport AS dport,"                                  \
			  " f.host AS host, %s AS host_source,"                \
			  " %s AS capture,"                                    \
			  " f.uid AS uid, NULL AS user, NULL AS unit,"         \
			  " %s AS action,"                                     \
			  " r.text AS rule, u.text AS upstream,"               \
			  " f.up_bytes AS up_bytes, f.down_bytes AS "          \
			  "down_bytes,"                                        \
			  " f.up_packets AS up_packets, f.down_packets AS "    \
			  "down_packets,"                                      \
			  " f.connect_us / 1000.0 AS connect_ms, f.rtt_us AS " \
			  "rtt_us,"                                            \
			  " %s AS close,"                                      \
			  " f.error AS error, f.worker AS worker, f.final AS " \
			  "final, %s AS source, f.ech AS ech,"                 \
			  " f.dns_agrees AS dns_agrees"                        \
			  " FROM flow f LEFT JOIN rule r ON r.id = f.rule"     \
			  " LEFT JOIN upstream u ON u.id = f.upstream"

/* %s: transport, rcode, source, dnssec, action, capture */
#define FLOWLOG_VIEW_DNS                                                      \
	"SELECT q.id AS id, " FLOWLOG_TIME(                                   \
	    "q.id") " AS time,"                                               \
		    " q.id AS time_us, q.client AS client, q.cport AS cport," \
		    " q.server AS server, %s AS transport,"                   \
		    " q.qname AS qname, q.qtype AS qtype,"                    \
		    " coalesce(%s, 'RCODE' || q.rcode) AS rcode,"             \
		    " q.answers AS answers, q.ttl AS ttl,"                    \
		    " q.latency_us AS latency_us, %s AS source,"              \
		    " %s AS dnssec, %s AS action, r.text AS rule,"            \
		    " %s AS capture, q.ede AS ede, q.worker AS worker,"       \
		    " coalesce(q.one_in, 1) AS one_in"                        \
		    " FROM query q LEFT JOIN rule r ON r.id = q.rule"

/* %s: severity */
#define FLOWLOG_VIEW_EVENTS                                                    \
	"SELECT id, " FLOWLOG_TIME(                                            \
	    "time_us") " AS time, time_us,"                                    \
		       " %s AS severity, process, kind, actor, message, data " \
		       "FROM event"

#define FLOWLOG_VIEW_DROPS                                                \
	"SELECT " FLOWLOG_TIME("time_us") " AS time, source, kind, count" \
					  " FROM loss"

/* What relays have told may be anything, and sum() would rather fail. */
#define FLOWLOG_SUM(value) "CAST(total(" value ") AS INTEGER)"
#define FLOWLOG_SUMS_OF_BYTES   \
	FLOWLOG_SUM("up_bytes") \
	" AS up_bytes, " FLOWLOG_SUM("down_bytes") " AS down_bytes"

/* Views for people; they read only those above. */
#define FLOWLOG_VIEW_TOP_HOSTS                                        \
	"SELECT coalesce(host, dst) AS host, count(*) AS flows,"      \
	" count(DISTINCT src) AS clients, " FLOWLOG_SUMS_OF_BYTES "," \
	" max(start) AS last"                                         \
	" FROM flows GROUP BY 1 ORDER BY total(up_bytes + down_bytes) DESC"

#define FLOWLOG_VIEW_TOP_CLIENTS                               \
	"SELECT src AS client, count(*) AS flows,"             \
	" count(DISTINCT coalesce(host, dst)) AS "             \
	"hosts, " FLOWLOG_SUMS_OF_BYTES ", max(start) AS last" \
	" FROM flows GROUP BY src ORDER BY total(up_bytes + down_bytes) DESC"

#define FLOWLOG_VIEW_DENIED                                          \
	"SELECT start, src AS client, host, proto, dst, dport, rule" \
	" FROM flows WHERE action = 'block' ORDER BY start_us DESC"

#define FLOWLOG_VIEW_FAILED                                                  \
	"SELECT start, src AS client, host, proto, dst, dport, close, error" \
	" FROM flows WHERE close IN ('refused', 'unreachable', 'timeout',"   \
	" 'worker-lost', 'overload') ORDER BY start_us DESC"

#define FLOWLOG_VIEW_HOURLY                                                  \
	"SELECT substr(start, 1, 13) || ':00Z' AS hour, count(*) AS flows,"  \
	" sum(action = 'relay') AS relayed, sum(action = 'pass') AS passed," \
	" sum(action = 'block') AS blocked, " FLOWLOG_SUMS_OF_BYTES          \
	" FROM flows GROUP BY 1 ORDER BY 1 DESC"

#define FLOWLOG_VIEW_UNNAMED                                          \
	"SELECT proto, dst, dport, count(*) AS flows,"                \
	" count(DISTINCT src) AS clients, " FLOWLOG_SUMS_OF_BYTES "," \
	" max(start) AS last"                                         \
	" FROM flows WHERE host IS NULL AND action <> 'block'"        \
	" GROUP BY proto, dst, dport ORDER BY flows DESC"

#define FLOWLOG_VIEW_LONG_FLOWS                                         \
	"SELECT id, start, round(duration_ms / 1000, 1) AS duration_s," \
	" src AS client, host, proto, dst, dport, action, up_bytes,"    \
	" down_bytes, close"                                            \
	" FROM flows WHERE duration_ms >= 600000 ORDER BY duration_ms DESC"

#define FLOWLOG_VIEW_DNS_BLOCKED                                     \
	"SELECT qname, sum(one_in) AS queries,"                      \
	" count(DISTINCT client) AS clients, max(time) AS last,"     \
	" rule FROM dns WHERE action = 'block' GROUP BY qname, rule" \
	" ORDER BY queries DESC"

/* Where rows are missing, and how many. */
#define FLOWLOG_VIEW_GAPS                                                     \
	"SELECT min(time) AS first, max(time) AS last, source, kind,"         \
	" " FLOWLOG_SUM(                                                      \
	    "count") " AS missing"                                            \
		     " FROM drops GROUP BY substr(time, 1, 16), source, kind" \
		     " ORDER BY 1 DESC"

#endif
