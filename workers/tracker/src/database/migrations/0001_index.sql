-- One text for SQLite and PostgreSQL: TEXT and BIGINT only; times are seconds since 1970; ids are lower-case hex.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE contents (
    id TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    manifest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    unclaimed_since BIGINT
);

-- Who may be told of a content: a namespace, or '' for everybody.
CREATE TABLE content_scopes (
    content TEXT NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    PRIMARY KEY (content, scope)
);

CREATE TABLE hashes (
    algorithm TEXT NOT NULL,
    value TEXT NOT NULL,
    content TEXT NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    PRIMARY KEY (algorithm, value, content)
);
CREATE INDEX hashes_by_content ON hashes (content);

-- What following a link led to, per scope and variant (the id is derived from all three).
CREATE TABLE links (
    id TEXT PRIMARY KEY,
    scope TEXT NOT NULL,
    plain BIGINT NOT NULL,
    url TEXT NOT NULL,
    content TEXT REFERENCES contents (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    reason TEXT,
    etag TEXT,
    last_modified TEXT,
    confirmed_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX links_by_content ON links (content, state, confirmed_at);

CREATE TABLE renditions (
    key TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    summary TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX renditions_by_source ON renditions (source);

-- What is wanted under a claim key; `wanted` is unknown after a restore until the next claim.
CREATE TABLE wishes (
    key TEXT PRIMARY KEY,
    wanted TEXT,
    content TEXT,
    abandoned_at BIGINT
);
CREATE INDEX wishes_by_content ON wishes (content);

CREATE TABLE claims (
    key TEXT NOT NULL,
    uid TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (key, uid)
);

CREATE TABLE tasks (
    task TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    standing TEXT NOT NULL,
    result TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX tasks_by_revision ON tasks (revision);

CREATE TABLE publications (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (namespace, name)
);
