-- What the BitTorrent tracker needs after a restart. Bodies are base64 or JSON: TEXT is what both databases have alike.

-- Shard -1 says where time was; the others hold swarms.
CREATE TABLE swarm_snapshots (
    shard BIGINT PRIMARY KEY,
    body TEXT NOT NULL
);

-- The table of rates of a pool that was put last.
CREATE TABLE pool_tables (
    pool TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    body TEXT NOT NULL,
    put_at BIGINT NOT NULL
);

-- A scheduler's models, opaque.
CREATE TABLE pool_models (
    pool TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    body TEXT NOT NULL
);
