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
insert into "_sqlx_migrations" values (1, 'log', '2026-11-27 04:09:50', 1, X'53074E0F693B781A504AE3A6DE06B418E1F1782A2A72D55C9DE47000F1D4AB9F8F433D0F1AC2DB1ED4EB6664EAAE56F6', 4010555);
insert into "event" values (1, '2026-11-22T10:00:00.000000Z', 'shop', 'app_registered', 1, 'operator:ana', NULL, NULL, '{"source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null}}', '0000000000000000000000000000000000000000000000000000000000000000', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad');
insert into "event" values (2, '2026-11-22T10:00:00.000000Z', 'shop', 'push_received', 1, 'operator:ana', NULL, NULL, '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989');
insert into "event" values (3, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_queued', 1, 'operator:ana', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434');
insert into "event" values (4, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_registered', 1, 'observer', NULL, NULL, '{"id":1,"url":"http://node:8849/dploy"}', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b');
insert into "event" values (5, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_started', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"}', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc');
insert into "event" values (6, '2026-11-22T10:00:00.000000Z', 'shop', 'specs_read', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"},{"path":"specs/s1.json","blob":"5f599063ebc8b5eefba86919a6cf7ce92b50aca4"}],"settings":{"prune":false,"deadline":null}}', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc', 'ca2bb6c873387c30978d959e3af446c301d00767b92a5f715d01049052a5206e');
insert into "event" values (7, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_pinged', 1, 'observer', NULL, 'delivery:c378ea9609698fe68cd8122a7503691e', '{"id":1,"delivery":"c378ea9609698fe68cd8122a7503691e"}', 'ca2bb6c873387c30978d959e3af446c301d00767b92a5f715d01049052a5206e', '546b92133b789ee69f55874b34d758dfe11176abcbeabdf989f41e42a51b09a8');
insert into "event" values (8, '2026-11-22T10:00:00.000000Z', 'shop', 'plan_made', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/api","change":"create","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2},{"id":"/shop/web","change":"create","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"unchanged":0,"plan":"0760bbea7ab8eb4bf0e60ad403e71892","warnings":[]}', '546b92133b789ee69f55874b34d758dfe11176abcbeabdf989f41e42a51b09a8', '95ad6f6b244211566c456886140853cc398d5a09c6ee97405f244284568e1ef8');
insert into "event" values (9, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_intended', 1, 'observer', 1, NULL, '{"call":"put","body":"da595228adf0487f8b2fad93fca4a5fe4f9136f6","force":false,"services":[{"id":"/shop/api","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","version":null},{"id":"/shop/web","spec":"e3297613e5e81b020ef8da188b8db0eb","version":null}],"target":[],"raised":{}}', '95ad6f6b244211566c456886140853cc398d5a09c6ee97405f244284568e1ef8', '58ee27fd235d13b73683588ebeda6cf7967678b6cf55454c8252dbe68b93bd17');
insert into "event" values (10, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_accepted', 1, 'observer', 1, NULL, '{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/api","/shop/web"]}', '58ee27fd235d13b73683588ebeda6cf7967678b6cf55454c8252dbe68b93bd17', 'd40981747d81b38d46d26a32747e177b19dc0699c13d58defce33618e722665a');
insert into "event" values (11, '2026-11-22T10:00:00.000000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/api","stage":"healthy","sentence":null}', 'd40981747d81b38d46d26a32747e177b19dc0699c13d58defce33618e722665a', '2c92e32d9570d14467cca949aa2d74c3b075869cb8c163510e64383c0d687829');
insert into "event" values (12, '2026-11-22T10:00:00.000000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/web","stage":"healthy","sentence":null}', '2c92e32d9570d14467cca949aa2d74c3b075869cb8c163510e64383c0d687829', '2633356a456b810d82e468fd62d03d21279ba9c3fca8a49d1c9a2ef19a19ee4c');
insert into "event" values (13, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_succeeded', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/api","change":"create","new":2,"old":0,"spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"rendering":"6547e4d0cad89ac7175c9c916de3dd80"},{"id":"/shop/web","change":"create","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"42c61f2fa9da7714a09b67304b2e2a86"}],"orphans":[],"sentence":"2 services changed, all healthy"}', '2633356a456b810d82e468fd62d03d21279ba9c3fca8a49d1c9a2ef19a19ee4c', 'e242b37932c1ae217e0df8afb62934b4b3cc8e38765de987610b9c4e6409cc48');
insert into "event" values (14, '2026-11-22T10:00:31.000000Z', 'shop', 'destroy_requested', 1, 'operator:ana', NULL, NULL, '{"services":["/shop/api","/shop/web"],"hook":1,"keep_services":false}', 'e242b37932c1ae217e0df8afb62934b4b3cc8e38765de987610b9c4e6409cc48', '1911ca4c468878ddc5c97853ff88594a9c36910b2be6b3f957eeff6339ed2cda');
insert into "app" values ('shop', 1, 'main', 0, '{"id":"shop","source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null},"registered_at":"2026-11-22T10:00:00.000000Z","destroyed":false,"destroying":{"services":["/shop/api","/shop/web"],"hook":1,"keep_services":false,"by":"operator:ana","since":"2026-11-22T10:00:31.000000Z"},"head":{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","seen_at":"2026-11-22T10:00:00.000000Z","previous":null},"held":null,"pin":null,"lock":null,"live":{"deploy":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","since":"2026-11-22T10:00:00.000000Z"},"running":null,"waiting":null,"last_deploy":1,"trouble":null,"services":{"/shop/api":{"applied":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"dirty":false,"rendering":"6547e4d0cad89ac7175c9c916de3dd80","deploy":1,"adopted":false,"scale":null},"/shop/web":{"applied":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"dirty":false,"rendering":"42c61f2fa9da7714a09b67304b2e2a86","deploy":1,"adopted":false,"scale":null}},"orphans":[],"drift":[],"hook":{"id":1,"url":"http://node:8849/dploy","registered_at":"2026-11-22T10:00:00.000000Z","pinged_at":"2026-11-22T10:00:00.000000Z","pinged":1,"failure":null},"marathon":[],"rolled_back":[],"last_seq":14}');
insert into "deploy" values ('shop', 1, '8ddfb4afcde8076b574201d14d317f39642c1b96', 'succeeded', '{"number":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"operator:ana","state":"succeeded","queued_at":"2026-11-22T10:00:00.000000Z","started_at":"2026-11-22T10:00:00.000000Z","ended_at":"2026-11-22T10:00:00.000000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"},{"path":"specs/s1.json","blob":"5f599063ebc8b5eefba86919a6cf7ce92b50aca4"}],"plan":[{"id":"/shop/api","change":"create","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2},{"id":"/shop/web","change":"create","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:00.000000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/api","/shop/web"]}],"raised":{},"progress":{"/shop/api":{"stage":"healthy","sentence":null},"/shop/web":{"stage":"healthy","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":"2 services changed, all healthy","outcome":[{"id":"/shop/api","change":"create","new":2,"old":0,"spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"rendering":"6547e4d0cad89ac7175c9c916de3dd80"},{"id":"/shop/web","change":"create","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"42c61f2fa9da7714a09b67304b2e2a86"}]}');
insert into "push" values (2, 'shop', '2026-11-22T10:00:00.000000Z', '8ddfb4afcde8076b574201d14d317f39642c1b96', NULL, 'queued as #1', '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}');
insert into "service" values ('shop', '/shop/api', '{"applied":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"dirty":false,"rendering":"6547e4d0cad89ac7175c9c916de3dd80","deploy":1,"adopted":false,"scale":null}');
insert into "service" values ('shop', '/shop/web', '{"applied":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"dirty":false,"rendering":"42c61f2fa9da7714a09b67304b2e2a86","deploy":1,"adopted":false,"scale":null}');
insert into "blob" values ('34d14b9ed16a83e7daa755da3943dbe6a3160c24', 50, X'6170705F6E616D653A2073686F700A6D61726174686F6E5F75726C3A20687474703A2F2F6D61726174686F6E3A383038300A');
insert into "blob" values ('f81b5bd2428fae013288f9410e7ea0aeedec6fb2', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('5f599063ebc8b5eefba86919a6cf7ce92b50aca4', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('da595228adf0487f8b2fad93fca4a5fe4f9136f6', 839, X'5B7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A6164396639313433633961343038633534643062633162366230636232626430227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D2C7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A6533323937363133653565383162303230656638646131383862386462306562227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D5D');
insert into "token" values ('ana', '53211cfd8ed836277b704d0c472d6dfca6a8f940e454971a57daf68cfc5f450e', '2026-11-22T10:00:00.000000Z');
insert into "token" values ('ben', 'e2578bd445c2e75fae36e20a1f9cb34a3a2be234b17f75de0a75e14d5b269fc6', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('fingerprint', '6915c8f24815a2a99bc4ac807aa74b6ac6499f3affcf2a3532f8eee79b0cd208', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('hook:1', 'a720851c6de2487677ebd9e6bb99052e92667c1f493275f6e68ba9e7ed169255', '2026-11-22T10:00:00.000000Z');
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
