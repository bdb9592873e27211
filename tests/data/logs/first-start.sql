pragma foreign_keys = off;
begin;
pragma application_id = 1685090146;
pragma user_version = 0;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
CREATE TABLE event (
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
CREATE TABLE app (
  id            text    primary key,
  repository_id integer not null,
  branch        text    not null,
  destroyed     integer not null,
  state         text    not null          -- the folded state, as JSON
) strict, without rowid;
CREATE TABLE deploy (
  app       text    not null,
  number    integer not null,
  commit_id text    not null,
  state     text    not null,
  data      text    not null,             -- the folded deploy, as JSON
  primary key (app, number)
) strict, without rowid;
CREATE TABLE push (
  seq       integer primary key,          -- of its push_received
  app       text    not null,
  at        text    not null,
  commit_id text    not null,
  body      text,                         -- SHA-256 of the webhook body
  outcome   text,
  data      text    not null              -- the payload
) strict;
CREATE TABLE service (
  app  text not null,
  id   text not null,
  data text not null,
  primary key (app, id)
) strict, without rowid;
CREATE TABLE blob (
  id   text primary key,                  -- git's id of the content
  size integer not null,
  data blob not null
) strict;
CREATE TABLE token (
  name       text primary key,
  hash       text not null unique,        -- SHA-256 of the token
  created_at text not null
) strict;
CREATE TABLE session (
  hash       text primary key,            -- SHA-256 of the session id
  token      text not null,
  created_at text not null,
  expires_at text not null
) strict;
CREATE TABLE secret (
  name       text not null,               -- 'hook:<repository id>' or 'fingerprint'
  value      text not null,
  created_at text not null,
  primary key (name, value)
) strict;
CREATE TABLE observation (
  key   text primary key,                 -- ETags, cursors, last successes
  value text not null,
  at    text not null
) strict;
CREATE TABLE meta (
  key   text primary key,                 -- 'projections': the release of the fold that made them
  value text not null
) strict;
insert into "_sqlx_migrations" values (1, 'log', '2026-11-27 04:09:50', 1, X'53074E0F693B781A504AE3A6DE06B418E1F1782A2A72D55C9DE47000F1D4AB9F8F433D0F1AC2DB1ED4EB6664EAAE56F6', 3310337);
insert into "event" values (1, '2026-11-22T10:00:00.000000Z', 'shop', 'app_registered', 1, 'operator:ana', NULL, NULL, '{"source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null}}', '0000000000000000000000000000000000000000000000000000000000000000', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad');
insert into "event" values (2, '2026-11-22T10:00:00.000000Z', 'shop', 'push_received', 1, 'operator:ana', NULL, NULL, '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989');
insert into "event" values (3, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_queued', 1, 'operator:ana', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434');
insert into "event" values (4, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_registered', 1, 'observer', NULL, NULL, '{"id":1,"url":"http://node:8849/dploy"}', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b');
insert into "event" values (5, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_started', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"}', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc');
insert into "event" values (6, '2026-11-22T10:00:00.000000Z', 'shop', 'specs_read', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"settings":{"prune":false,"deadline":null}}', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc', 'e80c09795665a0535313b8e01570789c98ab8f76c0ecf07273e14d3b373d2da9');
insert into "event" values (7, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_pinged', 1, 'observer', NULL, 'delivery:c378ea9609698fe68cd8122a7503691e', '{"id":1,"delivery":"c378ea9609698fe68cd8122a7503691e"}', 'e80c09795665a0535313b8e01570789c98ab8f76c0ecf07273e14d3b373d2da9', '622ef04006881e35bff458060ee59dd879dde23dddda41aa93d19ed682e56bcc');
insert into "event" values (8, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_cancelled', 1, 'observer', 1, NULL, '{"code":"first_start","sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on","services":[]}', '622ef04006881e35bff458060ee59dd879dde23dddda41aa93d19ed682e56bcc', 'dc37d295114df5227840de621da4a3c23117aceb004e679fc4c774f58afd0e3e');
insert into "event" values (9, '2026-11-22T10:00:00.000000Z', 'shop', 'push_held', 1, 'observer', NULL, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","code":"first_start","sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on"}', 'dc37d295114df5227840de621da4a3c23117aceb004e679fc4c774f58afd0e3e', 'dc4965bc0f73d150356b7f025f0640395fddf4ff809cb4e71711d0ed6986e9dc');
insert into "app" values ('shop', 1, 'main', 0, '{"id":"shop","source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null},"registered_at":"2026-11-22T10:00:00.000000Z","destroyed":false,"destroying":null,"head":{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","seen_at":"2026-11-22T10:00:00.000000Z","previous":null},"held":{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","code":"first_start","sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on"},"pin":null,"lock":null,"live":null,"running":null,"waiting":null,"last_deploy":1,"trouble":{"code":"first_start","sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on"},"services":{},"orphans":[],"drift":[],"hook":{"id":1,"url":"http://node:8849/dploy","registered_at":"2026-11-22T10:00:00.000000Z","pinged_at":"2026-11-22T10:00:00.000000Z","pinged":1,"failure":null},"marathon":[],"rolled_back":[],"last_seq":9}');
insert into "deploy" values ('shop', 1, '8ddfb4afcde8076b574201d14d317f39642c1b96', 'cancelled', '{"number":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"operator:ana","state":"cancelled","queued_at":"2026-11-22T10:00:00.000000Z","started_at":"2026-11-22T10:00:00.000000Z","ended_at":"2026-11-22T10:00:00.000000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"plan":null,"warnings":[],"intent":null,"intent_at":null,"touched":false,"accepted":[],"raised":{},"progress":{},"progress_events":0,"ending":null,"failure":{"code":"first_start","sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on"},"superseded_by":null,"sentence":"services of shop run already and the log is empty: /shop/web runs with another definition; deploy the head (POST /apps/shop/deploy) or push to go on","outcome":[]}');
insert into "push" values (2, 'shop', '2026-11-22T10:00:00.000000Z', '8ddfb4afcde8076b574201d14d317f39642c1b96', NULL, 'held: first_start', '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}');
insert into "blob" values ('34d14b9ed16a83e7daa755da3943dbe6a3160c24', 50, X'6170705F6E616D653A2073686F700A6D61726174686F6E5F75726C3A20687474703A2F2F6D61726174686F6E3A383038300A');
insert into "blob" values ('f81b5bd2428fae013288f9410e7ea0aeedec6fb2', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "token" values ('ana', '53211cfd8ed836277b704d0c472d6dfca6a8f940e454971a57daf68cfc5f450e', '2026-11-22T10:00:00.000000Z');
insert into "token" values ('ben', 'e2578bd445c2e75fae36e20a1f9cb34a3a2be234b17f75de0a75e14d5b269fc6', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('fingerprint', '66abae4a77c665f8587c42d5c59b6c6a9e10dd86ab3caa06bc9243dce184f7bd', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('hook:1', '1fd5ca094244dd038907080d8c33e4dbe77717545b1f2164bb956cfea3c2eb2d', '2026-11-22T10:00:00.000000Z');
insert into "observation" values ('shop/polled', 'ok', '2026-11-22T10:00:00.000000Z');
insert into "observation" values ('shop/trouble', '', '2026-11-22T10:00:00.000000Z');
insert into "meta" values ('projections', '2');
CREATE UNIQUE INDEX event_dedup on event (app, dedup) where dedup is not null;
CREATE INDEX event_app on event (app, seq) where app is not null;
CREATE INDEX event_kind on event (kind, seq);
CREATE INDEX event_newer on event (version) where version > 1;
CREATE TRIGGER event_no_update before update on event
begin select raise(abort, 'an event is never changed'); end;
CREATE TRIGGER event_no_delete before delete on event
begin select raise(abort, 'an event is never deleted'); end;
CREATE TRIGGER event_in_order before insert on event
when new.seq is not (select ifnull(max(seq), 0) + 1 from event)
  or new.prev_hash is not ifnull((select hash from event order by seq desc limit 1), printf('%064d', 0))
  or exists (select 1 from event where app = new.app and dedup = new.dedup)
begin select raise(abort, 'an event is appended at the end, once'); end;
CREATE INDEX app_source on app (repository_id, branch);
CREATE INDEX deploy_commit on deploy (app, commit_id, number);
CREATE INDEX push_commit on push (app, commit_id, seq);
CREATE INDEX push_body on push (app, body) where body is not null;
CREATE INDEX service_id on service (id);
commit;
