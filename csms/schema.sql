-- The ledger of the embedded central system. Times ending in _s are Unix seconds by the central system's clock,
-- except started_s, stopped_s and sampled_s, which are the station's timestamps read as Unix seconds;
-- `started`, `stopped`, `sampled` are the same timestamps exactly as sent. Energy is Wh.
-- Journals are append-only: a later row never changes an earlier one, so a reader may follow them while they grow.

CREATE TABLE stations (
    station TEXT PRIMARY KEY,
    first_seen_s REAL NOT NULL,
    vendor TEXT,
    model TEXT,
    serial TEXT,
    firmware TEXT,
    registration TEXT,
    booted_s REAL,
    boots INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    station TEXT NOT NULL,
    event TEXT NOT NULL,      -- opened | closed | refused
    code INTEGER,             -- close code, or HTTP status of a refusal; NULL when the TCP stream just ended
    detail TEXT NOT NULL
);

CREATE TABLE tags (
    id_tag TEXT PRIMARY KEY COLLATE NOCASE,
    status TEXT NOT NULL,
    parent_id_tag TEXT,
    expiry_date TEXT
) WITHOUT ROWID;

-- One row per session. The UNIQUE key is what makes a StartTransaction that is sent again the same session;
-- `copy` is 0 but for the seeded defect `doubled-start`.
CREATE TABLE starts (
    transaction_id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    connector INTEGER NOT NULL,
    id_tag TEXT NOT NULL COLLATE NOCASE,
    started TEXT NOT NULL,
    started_s REAL NOT NULL,
    meter_start_wh INTEGER NOT NULL,
    reservation_id INTEGER,
    authorization TEXT NOT NULL,
    received_s REAL NOT NULL,
    copy INTEGER NOT NULL DEFAULT 0,
    UNIQUE (station, connector, id_tag, started, meter_start_wh, copy)
);

-- Every distinct StopTransaction, also of ids that nobody issued (and -1, TX-8).
CREATE TABLE stops (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    transaction_id INTEGER NOT NULL,
    stopped TEXT NOT NULL,
    stopped_s REAL NOT NULL,
    meter_stop_wh INTEGER NOT NULL,
    id_tag TEXT,
    reason TEXT NOT NULL,
    transaction_data TEXT,    -- JSON array of MeterValue as received
    received_s REAL NOT NULL,
    UNIQUE (station, transaction_id, stopped, meter_stop_wh)
);

CREATE TABLE meter_values (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    connector INTEGER NOT NULL,
    transaction_id INTEGER,
    sampled TEXT NOT NULL,
    sampled_s REAL NOT NULL,
    sampled_values TEXT NOT NULL,   -- JSON array of SampledValue as received
    received_s REAL NOT NULL
);
CREATE INDEX meter_values_of_transaction ON meter_values (transaction_id);

CREATE TABLE statuses (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    connector INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT NOT NULL,
    info TEXT,
    vendor_id TEXT,
    vendor_error_code TEXT,
    timestamp TEXT,
    received_s REAL NOT NULL
);
CREATE INDEX statuses_of_connector ON statuses (station, connector);

-- DiagnosticsStatusNotification, FirmwareStatusNotification and DataTransfer.
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    action TEXT NOT NULL,
    payload TEXT NOT NULL,
    received_s REAL NOT NULL
);

-- What the central system did wrong on purpose, one row per act: the truth for tests of those who look for it.
CREATE TABLE misdeeds (
    id INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    fault TEXT NOT NULL,
    station TEXT NOT NULL,
    action TEXT NOT NULL,
    transaction_id INTEGER,
    detail TEXT NOT NULL
);

CREATE TABLE frames (
    id INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    station TEXT NOT NULL,
    direction TEXT NOT NULL,  -- in (from the station) | out
    frame TEXT NOT NULL
);

-- A session as billing would see it: the start and the first stop that arrived for it.
CREATE VIEW transactions AS
SELECT
    starts.transaction_id, starts.station, starts.connector, starts.id_tag, starts.authorization,
    starts.started, starts.started_s, starts.meter_start_wh, starts.reservation_id, starts.received_s,
    stops.stopped, stops.stopped_s, stops.meter_stop_wh, stops.reason, stops.id_tag AS stop_id_tag,
    stops.meter_stop_wh - starts.meter_start_wh AS energy_wh, stops.received_s AS stop_received_s
FROM starts
LEFT JOIN stops ON stops.id = (
    SELECT min(id) FROM stops AS s WHERE s.station = starts.station AND s.transaction_id = starts.transaction_id
);

-- Stops that no start explains.
CREATE VIEW orphan_stops AS
SELECT * FROM stops WHERE NOT EXISTS (
    SELECT 1 FROM starts WHERE starts.transaction_id = stops.transaction_id AND starts.station = stops.station
);

-- One row per sampled value.
CREATE VIEW samples AS
SELECT
    meter_values.id AS meter_value_id, station, connector, transaction_id, sampled, sampled_s,
    json_extract(s.value, '$.value') AS value,
    coalesce(json_extract(s.value, '$.measurand'), 'Energy.Active.Import.Register') AS measurand,
    coalesce(json_extract(s.value, '$.unit'), 'Wh') AS unit,
    coalesce(json_extract(s.value, '$.context'), 'Sample.Periodic') AS context,
    coalesce(json_extract(s.value, '$.location'), 'Outlet') AS location,
    json_extract(s.value, '$.phase') AS phase
FROM meter_values, json_each(sampled_values) AS s;

-- The status each connector shows now.
CREATE VIEW connectors AS
SELECT * FROM statuses WHERE id IN (SELECT max(id) FROM statuses GROUP BY station, connector);
