-- the log: the only truth and the only queue. Nothing edits or deletes an event.
create table event (
  seq       integer primary key,          -- 1, 2, 3 … without gaps: the order
  at        text    not null,             -- RFC 3339, UTC, microseconds; decides nothing
  app       text,                         -- null: belongs to no app
  kind      text    not null,
  version   integer not null check (version >= 1),
  actor     text    not null,             -- github:<login>, operator:<token name>, observer
  deploy    integer,                      -- number of the deploy within the app
  dedup     text,                         -- delivery GUID or idempotency key, unique per app
  payload   text    not null check (json_valid(payload) and octet_length(payload) <= 65536),
  prev_hash text    not null check (length(prev_hash) = 64),
  hash      text    not null check (length(hash) = 64)
) strict;

create unique index event_dedup on event (app, dedup) where dedup is not null;
create index event_app on event (app, seq) where app is not null;
create index event_kind on event (kind, seq);
-- finds at once whether a newer release wrote here
create index event_newer on event (version) where version > 1;

create trigger event_no_update before update on event
begin select raise(abort, 'an event is never changed'); end;

create trigger event_no_delete before delete on event
begin select raise(abort, 'an event is never deleted'); end;

-- also closes `insert or replace`, whose implicit delete fires no delete trigger by default
create trigger event_in_order before insert on event
when new.seq is not (select ifnull(max(seq), 0) + 1 from event)
  or new.prev_hash is not ifnull((select hash from event order by seq desc limit 1), printf('%064d', 0))
  or exists (select 1 from event where app = new.app and dedup = new.dedup)
begin select raise(abort, 'an event is appended at the end, once'); end;

-- projections: written in the transaction of the events they follow; `observer rebuild` makes them anew
create table app (
  id            text    primary key,
  repository_id integer not null,
  branch        text    not null,
  destroyed     integer not null,
  state         text    not null          -- the folded state, as JSON
) strict, without rowid;
create index app_source on app (repository_id, branch);

create table deploy (
  app       text    not null,
  number    integer not null,
  commit_id text    not null,
  state     text    not null,
  data      text    not null,             -- the folded deploy, as JSON
  primary key (app, number)
) strict, without rowid;
create index deploy_commit on deploy (app, commit_id, number);

create table push (
  seq       integer primary key,          -- of its push_received
  app       text    not null,
  at        text    not null,
  commit_id text    not null,
  body      text,                         -- SHA-256 of the webhook body
  outcome   text,
  data      text    not null              -- the payload
) strict;
create index push_commit on push (app, commit_id, seq);
create index push_body on push (app, body) where body is not null;

create table service (
  app  text not null,
  id   text not null,
  data text not null,
  primary key (app, id)
) strict, without rowid;
create index service_id on service (id);

-- no projections: `rebuild` leaves these alone
create table blob (
  id   text primary key,                  -- git's id of the content
  size integer not null,
  data blob not null
) strict;

create table token (
  name       text primary key,
  hash       text not null unique,        -- SHA-256 of the token
  created_at text not null
) strict;

create table session (
  hash       text primary key,            -- SHA-256 of the session id
  token      text not null,
  created_at text not null,
  expires_at text not null
) strict;

create table secret (
  name       text not null,               -- 'hook:<repository id>' or 'fingerprint'
  value      text not null,
  created_at text not null,
  primary key (name, value)
) strict;

create table observation (
  key   text primary key,                 -- ETags, cursors, last successes
  value text not null,
  at    text not null
) strict;

create table meta (
  key   text primary key,                 -- 'projections': the release of the fold that made them
  value text not null
) strict;
