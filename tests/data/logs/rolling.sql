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
insert into "_sqlx_migrations" values (1, 'log', '2026-11-27 04:09:53', 1, X'53074E0F693B781A504AE3A6DE06B418E1F1782A2A72D55C9DE47000F1D4AB9F8F433D0F1AC2DB1ED4EB6664EAAE56F6', 3509438);
insert into "event" values (1, '2026-11-22T10:00:00.000000Z', 'shop', 'app_registered', 1, 'operator:ana', NULL, NULL, '{"source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null}}', '0000000000000000000000000000000000000000000000000000000000000000', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad');
insert into "event" values (2, '2026-11-22T10:00:00.000000Z', 'shop', 'push_received', 1, 'operator:ana', NULL, NULL, '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989');
insert into "event" values (3, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_queued', 1, 'operator:ana', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434');
insert into "event" values (4, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_registered', 1, 'observer', NULL, NULL, '{"id":1,"url":"http://node:8849/dploy"}', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b');
insert into "event" values (5, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_started', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"}', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc');
insert into "event" values (6, '2026-11-22T10:00:00.000000Z', 'shop', 'specs_read', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"0c7d6d6b92ef94228a784fc74ed4afbecb8583b6"},{"path":"specs/s1.json","blob":"5f599063ebc8b5eefba86919a6cf7ce92b50aca4"}],"settings":{"prune":false,"deadline":null}}', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc', 'f0c53611ba0c09083b485e27b140176cd63b2a76f42191b34b62c4fa362aa1af');
insert into "event" values (7, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_pinged', 1, 'observer', NULL, 'delivery:c378ea9609698fe68cd8122a7503691e', '{"id":1,"delivery":"c378ea9609698fe68cd8122a7503691e"}', 'f0c53611ba0c09083b485e27b140176cd63b2a76f42191b34b62c4fa362aa1af', 'df69a66d37461513f3aa7b79479ba9f798bba89e45fff5ee698aed102b3a214c');
insert into "event" values (8, '2026-11-22T10:00:00.000000Z', 'shop', 'plan_made', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/api","change":"create","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2},{"id":"/shop/web","change":"create","spec":"5ecdb450bf97ca21c60678119f1093db","instances":3}],"unchanged":0,"plan":"84f5d9a96b116cc5151f685f78aff4ad","warnings":[]}', 'df69a66d37461513f3aa7b79479ba9f798bba89e45fff5ee698aed102b3a214c', 'ce4830423e64ff97b2bd9cd1b92536c408a7c7bdbbb6758a0f8173c1c871c62f');
insert into "event" values (9, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_intended', 1, 'observer', 1, NULL, '{"call":"put","body":"471d564a2d31e8557fdb47120aafdeebc9c40a45","force":false,"services":[{"id":"/shop/api","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","version":null},{"id":"/shop/web","spec":"5ecdb450bf97ca21c60678119f1093db","version":null}],"target":[],"raised":{}}', 'ce4830423e64ff97b2bd9cd1b92536c408a7c7bdbbb6758a0f8173c1c871c62f', 'aac91eaff03265dc633650d54d6a8759cca570cf75522721c98f0139e4b6a9a1');
insert into "event" values (10, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_accepted', 1, 'observer', 1, NULL, '{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/api","/shop/web"]}', 'aac91eaff03265dc633650d54d6a8759cca570cf75522721c98f0139e4b6a9a1', '511c38d008214ced7cdabfc49777bdb7c861856537c63d060be4f1f1c6823d3b');
insert into "event" values (11, '2026-11-22T10:00:00.000000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/api","stage":"starting","sentence":null}', '511c38d008214ced7cdabfc49777bdb7c861856537c63d060be4f1f1c6823d3b', '9bbeef9a666788bba3d7bb6f35a9431f7c7846cd1c51bb74176b12037db9bcd5');
insert into "event" values (12, '2026-11-22T10:00:00.000000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/web","stage":"starting","sentence":null}', '9bbeef9a666788bba3d7bb6f35a9431f7c7846cd1c51bb74176b12037db9bcd5', '80f5ac360c2db7c5f7853ab3440b8735d319a7f1eea5fbdf11511e5b1996b2bb');
insert into "event" values (13, '2026-11-22T10:00:00.256000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/api","stage":"healthy","sentence":null}', '80f5ac360c2db7c5f7853ab3440b8735d319a7f1eea5fbdf11511e5b1996b2bb', '5a19e1cd1b1bb335b6de66240b7196eb6e3dfcc75a108ab9539573c1dee638de');
insert into "event" values (14, '2026-11-22T10:00:00.256000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/web","stage":"healthy","sentence":null}', '5a19e1cd1b1bb335b6de66240b7196eb6e3dfcc75a108ab9539573c1dee638de', 'c414c5efb8d56c058b55b85aad09b8e56266fef439d1168731dd792dc0a113c0');
insert into "event" values (15, '2026-11-22T10:00:00.256000Z', 'shop', 'deploy_succeeded', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/api","change":"create","new":2,"old":0,"spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"rendering":"6547e4d0cad89ac7175c9c916de3dd80"},{"id":"/shop/web","change":"create","new":3,"old":0,"spec":"5ecdb450bf97ca21c60678119f1093db","instances":3,"rendering":"390da7776f5cff20382e2a5097e8c6c3"}],"orphans":[],"sentence":"2 services changed, all healthy"}', 'c414c5efb8d56c058b55b85aad09b8e56266fef439d1168731dd792dc0a113c0', '57487178072ee74e2f748694b2ea8ffec384e823291de9939759215d52734287');
insert into "event" values (16, '2026-11-22T10:00:30.300000Z', 'shop', 'push_received', 1, 'github:ana', NULL, 'delivery:7e23be5ed58028b9dc4aeda7f34aaa02', '{"via":"webhook","delivery":"7e23be5ed58028b9dc4aeda7f34aaa02","ref":"refs/heads/main","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","after":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753","contains_rolled_back":[]}', '57487178072ee74e2f748694b2ea8ffec384e823291de9939759215d52734287', 'fdbac9dade329977cd12f7f90f1eac8baae5213b593aef0222e270631e7fa901');
insert into "event" values (17, '2026-11-22T10:00:30.300000Z', 'shop', 'deploy_queued', 1, 'github:ana', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","cause":"push","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', 'fdbac9dade329977cd12f7f90f1eac8baae5213b593aef0222e270631e7fa901', 'fd71f134f5a1393794c6520dfaa99585b66a5d34746f5fd775834b7426b3906d');
insert into "event" values (18, '2026-11-22T10:00:30.300000Z', 'shop', 'deploy_started', 1, 'observer', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"}', 'fd71f134f5a1393794c6520dfaa99585b66a5d34746f5fd775834b7426b3906d', '2628ecf7cb3ad68e949ba2d254fd9507fdedc3d15f531e71e27a79f970dbcad8');
insert into "event" values (19, '2026-11-22T10:00:30.300000Z', 'shop', 'specs_read', 1, 'observer', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"815e334fe697613e9176aae5f043417a43111528"},{"path":"specs/s1.json","blob":"91af9f92326a64355739924fb3c4dec2d3f4ab41"}],"settings":{"prune":false,"deadline":null}}', '2628ecf7cb3ad68e949ba2d254fd9507fdedc3d15f531e71e27a79f970dbcad8', 'a22156b4037277f972bdacb6702a00232f03c4a2bb690e629930f1cb4764c804');
insert into "event" values (20, '2026-11-22T10:00:30.300000Z', 'shop', 'plan_made', 1, 'observer', 2, NULL, '{"services":[{"id":"/shop/api","change":"update","spec":"12e79376056d99701cddbe24e47e315d","instances":2},{"id":"/shop/web","change":"update","spec":"88afabd2b60924fe654dfbb615d6e69c","instances":3}],"unchanged":0,"plan":"433d498238d7fb8c00375045003eaf40","warnings":[]}', 'a22156b4037277f972bdacb6702a00232f03c4a2bb690e629930f1cb4764c804', '1d73bda79bba7660ca9f8913166cda3ba97844559fe1a3d6e4856b37eca7810b');
insert into "event" values (21, '2026-11-22T10:00:30.300000Z', 'shop', 'apply_intended', 1, 'observer', 2, NULL, '{"call":"put","body":"d1fa991357478a9dd953a1f59fdfbc58b0778905","force":false,"services":[{"id":"/shop/api","spec":"12e79376056d99701cddbe24e47e315d","version":"2026-11-22T10:00:00.000Z"},{"id":"/shop/web","spec":"88afabd2b60924fe654dfbb615d6e69c","version":"2026-11-22T10:00:00.000Z"}],"target":[],"raised":{}}', '1d73bda79bba7660ca9f8913166cda3ba97844559fe1a3d6e4856b37eca7810b', '27f59bcfa107a3055fd1264ef504941fce8a11eb1db77f695c3542a38b6773b4');
insert into "event" values (22, '2026-11-22T10:00:30.300000Z', 'shop', 'apply_accepted', 1, 'observer', 2, NULL, '{"call":"put","marathon_deployment":"1af76395-c664-48cd-a74a-c9505f9cd004","version":"2026-11-22T10:00:30.300Z","services":["/shop/api","/shop/web"]}', '27f59bcfa107a3055fd1264ef504941fce8a11eb1db77f695c3542a38b6773b4', '010c8da0679eaaf239071337cc1fc3c2d9b42077ecda940077a03be2c5a6b832');
insert into "event" values (23, '2026-11-22T10:00:30.300000Z', 'shop', 'service_progressed', 1, 'observer', 2, NULL, '{"id":"/shop/api","stage":"starting","sentence":null}', '010c8da0679eaaf239071337cc1fc3c2d9b42077ecda940077a03be2c5a6b832', 'e63ed479c1a16bada29a281cfed68b6f180c82a0a9a8e1a96d9cd854897dbe95');
insert into "event" values (24, '2026-11-22T10:00:30.300000Z', 'shop', 'service_progressed', 1, 'observer', 2, NULL, '{"id":"/shop/web","stage":"starting","sentence":null}', 'e63ed479c1a16bada29a281cfed68b6f180c82a0a9a8e1a96d9cd854897dbe95', '7677d3de5d4daff5206bb62cf86918fc5b421c8051a578a977a70df946e6fcc4');
insert into "app" values ('shop', 1, 'main', 0, '{"id":"shop","source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null},"registered_at":"2026-11-22T10:00:00.000000Z","destroyed":false,"destroying":null,"head":{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","seen_at":"2026-11-22T10:00:30.300000Z","previous":"8ddfb4afcde8076b574201d14d317f39642c1b96"},"held":null,"pin":null,"lock":null,"live":{"deploy":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","since":"2026-11-22T10:00:00.256000Z"},"running":{"number":2,"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","cause":"push","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"github:ana","state":"following","queued_at":"2026-11-22T10:00:30.300000Z","started_at":"2026-11-22T10:00:30.300000Z","ended_at":null,"waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"815e334fe697613e9176aae5f043417a43111528"},{"path":"specs/s1.json","blob":"91af9f92326a64355739924fb3c4dec2d3f4ab41"}],"plan":[{"id":"/shop/api","change":"update","spec":"12e79376056d99701cddbe24e47e315d","instances":2},{"id":"/shop/web","change":"update","spec":"88afabd2b60924fe654dfbb615d6e69c","instances":3}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:30.300000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"1af76395-c664-48cd-a74a-c9505f9cd004","version":"2026-11-22T10:00:30.300Z","services":["/shop/api","/shop/web"]}],"raised":{},"progress":{"/shop/api":{"stage":"starting","sentence":null},"/shop/web":{"stage":"starting","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":null,"outcome":[]},"waiting":null,"last_deploy":2,"trouble":null,"services":{"/shop/api":{"applied":"12e79376056d99701cddbe24e47e315d","instances":2,"dirty":true,"rendering":"6547e4d0cad89ac7175c9c916de3dd80","deploy":2,"adopted":false,"scale":null},"/shop/web":{"applied":"88afabd2b60924fe654dfbb615d6e69c","instances":3,"dirty":true,"rendering":"390da7776f5cff20382e2a5097e8c6c3","deploy":2,"adopted":false,"scale":null}},"orphans":[],"drift":[],"hook":{"id":1,"url":"http://node:8849/dploy","registered_at":"2026-11-22T10:00:00.000000Z","pinged_at":"2026-11-22T10:00:00.000000Z","pinged":1,"failure":null},"marathon":[{"id":"1af76395-c664-48cd-a74a-c9505f9cd004","services":["/shop/api","/shop/web"]}],"rolled_back":[],"last_seq":24}');
insert into "deploy" values ('shop', 1, '8ddfb4afcde8076b574201d14d317f39642c1b96', 'succeeded', '{"number":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"operator:ana","state":"succeeded","queued_at":"2026-11-22T10:00:00.000000Z","started_at":"2026-11-22T10:00:00.000000Z","ended_at":"2026-11-22T10:00:00.256000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"0c7d6d6b92ef94228a784fc74ed4afbecb8583b6"},{"path":"specs/s1.json","blob":"5f599063ebc8b5eefba86919a6cf7ce92b50aca4"}],"plan":[{"id":"/shop/api","change":"create","spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2},{"id":"/shop/web","change":"create","spec":"5ecdb450bf97ca21c60678119f1093db","instances":3}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:00.000000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/api","/shop/web"]}],"raised":{},"progress":{"/shop/api":{"stage":"healthy","sentence":null},"/shop/web":{"stage":"healthy","sentence":null}},"progress_events":4,"ending":null,"failure":null,"superseded_by":null,"sentence":"2 services changed, all healthy","outcome":[{"id":"/shop/api","change":"create","new":2,"old":0,"spec":"ad9f9143c9a408c54d0bc1b6b0cb2bd0","instances":2,"rendering":"6547e4d0cad89ac7175c9c916de3dd80"},{"id":"/shop/web","change":"create","new":3,"old":0,"spec":"5ecdb450bf97ca21c60678119f1093db","instances":3,"rendering":"390da7776f5cff20382e2a5097e8c6c3"}]}');
insert into "deploy" values ('shop', 2, 'e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92', 'following', '{"number":2,"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","cause":"push","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"github:ana","state":"following","queued_at":"2026-11-22T10:00:30.300000Z","started_at":"2026-11-22T10:00:30.300000Z","ended_at":null,"waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"815e334fe697613e9176aae5f043417a43111528"},{"path":"specs/s1.json","blob":"91af9f92326a64355739924fb3c4dec2d3f4ab41"}],"plan":[{"id":"/shop/api","change":"update","spec":"12e79376056d99701cddbe24e47e315d","instances":2},{"id":"/shop/web","change":"update","spec":"88afabd2b60924fe654dfbb615d6e69c","instances":3}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:30.300000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"1af76395-c664-48cd-a74a-c9505f9cd004","version":"2026-11-22T10:00:30.300Z","services":["/shop/api","/shop/web"]}],"raised":{},"progress":{"/shop/api":{"stage":"starting","sentence":null},"/shop/web":{"stage":"starting","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":null,"outcome":[]}');
insert into "push" values (2, 'shop', '2026-11-22T10:00:00.000000Z', '8ddfb4afcde8076b574201d14d317f39642c1b96', NULL, 'queued as #1', '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}');
insert into "push" values (16, 'shop', '2026-11-22T10:00:30.300000Z', 'e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92', '6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753', 'queued as #2', '{"via":"webhook","delivery":"7e23be5ed58028b9dc4aeda7f34aaa02","ref":"refs/heads/main","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","after":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753","contains_rolled_back":[]}');
insert into "service" values ('shop', '/shop/api', '{"applied":"12e79376056d99701cddbe24e47e315d","instances":2,"dirty":true,"rendering":"6547e4d0cad89ac7175c9c916de3dd80","deploy":2,"adopted":false,"scale":null}');
insert into "service" values ('shop', '/shop/web', '{"applied":"88afabd2b60924fe654dfbb615d6e69c","instances":3,"dirty":true,"rendering":"390da7776f5cff20382e2a5097e8c6c3","deploy":2,"adopted":false,"scale":null}');
insert into "blob" values ('34d14b9ed16a83e7daa755da3943dbe6a3160c24', 50, X'6170705F6E616D653A2073686F700A6D61726174686F6E5F75726C3A20687474703A2F2F6D61726174686F6E3A383038300A');
insert into "blob" values ('0c7d6d6b92ef94228a784fc74ed4afbecb8583b6', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A332C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A302E302C226D696E696D756D4865616C74684361706163697479223A302E357D7D');
insert into "blob" values ('5f599063ebc8b5eefba86919a6cf7ce92b50aca4', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('471d564a2d31e8557fdb47120aafdeebc9c40a45', 839, X'5B7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A6164396639313433633961343038633534643062633162366230636232626430227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D2C7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A332C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A3565636462343530626639376361323163363036373831313966313039336462227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A302E302C226D696E696D756D4865616C74684361706163697479223A302E357D7D5D');
insert into "blob" values ('815e334fe697613e9176aae5f043417a43111528', 342, X'7B22636D64223A227369636B2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A332C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A302E302C226D696E696D756D4865616C74684361706163697479223A302E357D7D');
insert into "blob" values ('91af9f92326a64355739924fb3c4dec2d3f4ab41', 342, X'7B22636D64223A227369636B2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('d1fa991357478a9dd953a1f59fdfbc58b0778905', 839, X'5B7B22636D64223A227369636B2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F617069222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A3132653739333736303536643939373031636464626532346534376533313564227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D2C7B22636D64223A227369636B2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A332C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A3838616661626432623630393234666536353464666262363135643665363963227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A302E302C226D696E696D756D4865616C74684361706163697479223A302E357D7D5D');
insert into "token" values ('ana', '53211cfd8ed836277b704d0c472d6dfca6a8f940e454971a57daf68cfc5f450e', '2026-11-22T10:00:00.000000Z');
insert into "token" values ('ben', 'e2578bd445c2e75fae36e20a1f9cb34a3a2be234b17f75de0a75e14d5b269fc6', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('fingerprint', '64f70718a01ada5e890548411260b146f34fa2d3fad47e915ae556d17272400d', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('hook:1', '1c8123163edbc70382157e47f693326a66655d3fb0c0f934cd5d54d36341e4da', '2026-11-22T10:00:00.000000Z');
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
