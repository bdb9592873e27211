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
insert into "_sqlx_migrations" values (1, 'log', '2026-11-27 04:09:51', 1, X'53074E0F693B781A504AE3A6DE06B418E1F1782A2A72D55C9DE47000F1D4AB9F8F433D0F1AC2DB1ED4EB6664EAAE56F6', 3839595);
insert into "event" values (1, '2026-11-22T10:00:00.000000Z', 'shop', 'app_registered', 1, 'operator:ana', NULL, NULL, '{"source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null}}', '0000000000000000000000000000000000000000000000000000000000000000', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad');
insert into "event" values (2, '2026-11-22T10:00:00.000000Z', 'shop', 'push_received', 1, 'operator:ana', NULL, NULL, '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}', '3a7b436c3875c6ec25afb2967ce1a60f6932fcfe83d23381c9b055f3d350baad', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989');
insert into "event" values (3, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_queued', 1, 'operator:ana', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', 'ea10b268e83f979630d483cc2cb1662ab12de3e44f7823ed22714d98e16e8989', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434');
insert into "event" values (4, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_registered', 1, 'observer', NULL, NULL, '{"id":1,"url":"http://node:8849/dploy"}', '504d20c90754bdb74926f8be299e69bad945de23bff36a67af607f0e38dfc434', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b');
insert into "event" values (5, '2026-11-22T10:00:00.000000Z', 'shop', 'deploy_started', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"}', '834beb4770b5766530ddc57218196adbcef3dd731f466b69cfed0cfef612e07b', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc');
insert into "event" values (6, '2026-11-22T10:00:00.000000Z', 'shop', 'specs_read', 1, 'observer', 1, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"settings":{"prune":false,"deadline":null}}', '1366682a37ea9ae4a53292fe5a0af4a2a1cdfb67097a305bd59fc3a90b38f1fc', 'e80c09795665a0535313b8e01570789c98ab8f76c0ecf07273e14d3b373d2da9');
insert into "event" values (7, '2026-11-22T10:00:00.000000Z', 'shop', 'hook_pinged', 1, 'observer', NULL, 'delivery:c378ea9609698fe68cd8122a7503691e', '{"id":1,"delivery":"c378ea9609698fe68cd8122a7503691e"}', 'e80c09795665a0535313b8e01570789c98ab8f76c0ecf07273e14d3b373d2da9', '622ef04006881e35bff458060ee59dd879dde23dddda41aa93d19ed682e56bcc');
insert into "event" values (8, '2026-11-22T10:00:00.000000Z', 'shop', 'plan_made', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/web","change":"create","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"unchanged":0,"plan":"ac4422f63c4a9c5c17f823c254131ef2","warnings":[]}', '622ef04006881e35bff458060ee59dd879dde23dddda41aa93d19ed682e56bcc', 'bd358150667640d236119320a37589f382d8dde15aa13632f6fa4fd5d324d223');
insert into "event" values (9, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_intended', 1, 'observer', 1, NULL, '{"call":"put","body":"f367f3bdd7576ddf41025b5b126e9310b9fbd1b2","force":false,"services":[{"id":"/shop/web","spec":"e3297613e5e81b020ef8da188b8db0eb","version":null}],"target":[],"raised":{}}', 'bd358150667640d236119320a37589f382d8dde15aa13632f6fa4fd5d324d223', '7cd6a814c921876267fb216bb6f6252acc4853e59ad1f6bcb02507caf96aaa7e');
insert into "event" values (10, '2026-11-22T10:00:00.000000Z', 'shop', 'apply_accepted', 1, 'observer', 1, NULL, '{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/web"]}', '7cd6a814c921876267fb216bb6f6252acc4853e59ad1f6bcb02507caf96aaa7e', '450e65c7a1139eb9f6274f9d8f0a8186e3aa3465d84832465b5ac425520ef658');
insert into "event" values (11, '2026-11-22T10:00:00.000000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/web","stage":"starting","sentence":null}', '450e65c7a1139eb9f6274f9d8f0a8186e3aa3465d84832465b5ac425520ef658', '9ba024f5b9292a7ad2db3fa2465fb69ced84af282a2890d01918ef7faa024920');
insert into "event" values (12, '2026-11-22T10:00:00.256000Z', 'shop', 'service_progressed', 1, 'observer', 1, NULL, '{"id":"/shop/web","stage":"healthy","sentence":null}', '9ba024f5b9292a7ad2db3fa2465fb69ced84af282a2890d01918ef7faa024920', 'f7d5fa4b92069a60a3401f98f6c51b1964c72bf12ab9e6a6c5348e429a23e3a9');
insert into "event" values (13, '2026-11-22T10:00:00.256000Z', 'shop', 'deploy_succeeded', 1, 'observer', 1, NULL, '{"services":[{"id":"/shop/web","change":"create","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"c24964602e0720b58a94b18f0d2aee73"}],"orphans":[],"sentence":"1 service changed, all healthy"}', 'f7d5fa4b92069a60a3401f98f6c51b1964c72bf12ab9e6a6c5348e429a23e3a9', '12b93c94a5f2e22567f616ca990f1f378a601206e8bdcd69e9783b1d3cec86b2');
insert into "event" values (14, '2026-11-22T10:00:20.300000Z', 'shop', 'push_received', 1, 'github:ana', NULL, 'delivery:7e23be5ed58028b9dc4aeda7f34aaa02', '{"via":"webhook","delivery":"7e23be5ed58028b9dc4aeda7f34aaa02","ref":"refs/heads/main","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","after":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753","contains_rolled_back":[]}', '12b93c94a5f2e22567f616ca990f1f378a601206e8bdcd69e9783b1d3cec86b2', '41b748fab1f515ccd91ac904719c980804552b4d325b647c1ab8f176683d46c3');
insert into "event" values (15, '2026-11-22T10:00:20.300000Z', 'shop', 'deploy_queued', 1, 'github:ana', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","cause":"push","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","specs_of":null,"only":null,"scale":"keep","force":false,"reason":null}', '41b748fab1f515ccd91ac904719c980804552b4d325b647c1ab8f176683d46c3', 'd19102b95f41e47e55b0005fb1dd74195ddcfa6b100a726c02cdbb31672ee717');
insert into "event" values (16, '2026-11-22T10:00:20.300000Z', 'shop', 'deploy_started', 1, 'observer', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"}', 'd19102b95f41e47e55b0005fb1dd74195ddcfa6b100a726c02cdbb31672ee717', '64350c8712f5c96f72066cd52b87ee49baa9dc6eff21af652ac3da6c002a30bb');
insert into "event" values (17, '2026-11-22T10:00:20.300000Z', 'shop', 'specs_read', 1, 'observer', 2, NULL, '{"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"1cd612b78a207ce2bc84b74f88a19c827bfc7825"}],"settings":{"prune":false,"deadline":null}}', '64350c8712f5c96f72066cd52b87ee49baa9dc6eff21af652ac3da6c002a30bb', 'b7a1361e6db2d564dc806f1f2f03c3bcf6f267205f5d5951887f811439fcabf8');
insert into "event" values (18, '2026-11-22T10:00:20.300000Z', 'shop', 'plan_made', 1, 'observer', 2, NULL, '{"services":[{"id":"/shop/web","change":"update","spec":"04e42eadbf3b42e41134cfe82c67f43e","instances":2}],"unchanged":0,"plan":"c12e13804d2b478f41c9246e020e6c58","warnings":[]}', 'b7a1361e6db2d564dc806f1f2f03c3bcf6f267205f5d5951887f811439fcabf8', 'ebf3ce34e28d76862e718de7246cf390d46cd6c2b56e6969f5179888b154e62b');
insert into "event" values (19, '2026-11-22T10:00:20.300000Z', 'shop', 'apply_intended', 1, 'observer', 2, NULL, '{"call":"put","body":"c615891ba7dd8e8f6d23241b046a6cf2b29177cc","force":false,"services":[{"id":"/shop/web","spec":"04e42eadbf3b42e41134cfe82c67f43e","version":"2026-11-22T10:00:00.000Z"}],"target":[],"raised":{}}', 'ebf3ce34e28d76862e718de7246cf390d46cd6c2b56e6969f5179888b154e62b', 'cad2c31dda21232f861d9b81fd96677537ef61f338ed3f7581d8a93d1c808d46');
insert into "event" values (20, '2026-11-22T10:00:20.300000Z', 'shop', 'apply_accepted', 1, 'observer', 2, NULL, '{"call":"put","marathon_deployment":"9a0508b2-cd06-4831-aa77-99127b9e31c8","version":"2026-11-22T10:00:20.300Z","services":["/shop/web"]}', 'cad2c31dda21232f861d9b81fd96677537ef61f338ed3f7581d8a93d1c808d46', '726db67cdb1b4a30a05fa73e2b27c1b05550bcb8e285feb08c0ffdb530574e5f');
insert into "event" values (21, '2026-11-22T10:00:20.300000Z', 'shop', 'service_progressed', 1, 'observer', 2, NULL, '{"id":"/shop/web","stage":"starting","sentence":null}', '726db67cdb1b4a30a05fa73e2b27c1b05550bcb8e285feb08c0ffdb530574e5f', '4afbd6bee8f5633c032df800a394076b55db114da2af8cb29388ff52f1558346');
insert into "event" values (22, '2026-11-22T10:00:21.488000Z', 'shop', 'service_progressed', 1, 'observer', 2, NULL, '{"id":"/shop/web","stage":"healthy","sentence":null}', '4afbd6bee8f5633c032df800a394076b55db114da2af8cb29388ff52f1558346', '44ba9881a4d08f052b30c8365830d95717bda823a4c511b4af62d8003f739287');
insert into "event" values (23, '2026-11-22T10:00:21.488000Z', 'shop', 'deploy_succeeded', 1, 'observer', 2, NULL, '{"services":[{"id":"/shop/web","change":"update","new":2,"old":0,"spec":"04e42eadbf3b42e41134cfe82c67f43e","instances":2,"rendering":"38fb033e49f5fc25e23b51c14ed00546"}],"orphans":[],"sentence":"1 service changed, all healthy"}', '44ba9881a4d08f052b30c8365830d95717bda823a4c511b4af62d8003f739287', '4e81dbb3b2a597a0cec3db16b0358d9a419bacd6ef7c5b1efb8fe06bd83481dc');
insert into "event" values (24, '2026-11-22T10:00:30.000000Z', 'shop', 'rollback_requested', 1, 'operator:ana', NULL, NULL, '{"to":{"deploy":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"},"from":{"deploy":2,"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"},"reason":"because","resume":"manual","scale":"keep","only":null}', '4e81dbb3b2a597a0cec3db16b0358d9a419bacd6ef7c5b1efb8fe06bd83481dc', '0f54725dcfaea6f4051e70b74a955ba571a141ed82109dee491acc5a163742de');
insert into "event" values (25, '2026-11-22T10:00:30.000000Z', 'shop', 'app_pinned', 1, 'operator:ana', NULL, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","deploy":1,"reason":"because","resume":"manual","head":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"}', '0f54725dcfaea6f4051e70b74a955ba571a141ed82109dee491acc5a163742de', '687192424e2aacf858c22c009046b80c15a748f5b102c1c2663220c1db22a32d');
insert into "event" values (26, '2026-11-22T10:00:30.000000Z', 'shop', 'deploy_queued', 1, 'operator:ana', 3, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"rollback","before":null,"specs_of":1,"only":null,"scale":"keep","force":false,"reason":"because"}', '687192424e2aacf858c22c009046b80c15a748f5b102c1c2663220c1db22a32d', '3ec81e14aed9ef98b3e78a18c6e5d0104f3d5a3f9f17b037ba3d7c9936de2497');
insert into "event" values (27, '2026-11-22T10:00:30.000000Z', 'shop', 'deploy_started', 1, 'observer', 3, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96"}', '3ec81e14aed9ef98b3e78a18c6e5d0104f3d5a3f9f17b037ba3d7c9936de2497', '29255e4867c14d47208e36349bdb805c5c165965b120de9ec3d6dd226f45fb49');
insert into "event" values (28, '2026-11-22T10:00:30.000000Z', 'shop', 'specs_read', 1, 'observer', 3, NULL, '{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"settings":{"prune":false,"deadline":null}}', '29255e4867c14d47208e36349bdb805c5c165965b120de9ec3d6dd226f45fb49', 'c9d358e24c4f78fc467e1e514f8a6c119d8aa56c2b8c3f5b7781511ee97566e8');
insert into "event" values (29, '2026-11-22T10:00:30.000000Z', 'shop', 'plan_made', 1, 'observer', 3, NULL, '{"services":[{"id":"/shop/web","change":"update","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"unchanged":0,"plan":"f746d762088aca399219e13cd96b2632","warnings":[]}', 'c9d358e24c4f78fc467e1e514f8a6c119d8aa56c2b8c3f5b7781511ee97566e8', 'f4b7fd0c07f0fc0e4617968ee2a76f8d61babdf9ab8fc6fb28b87cd00868e0de');
insert into "event" values (30, '2026-11-22T10:00:30.000000Z', 'shop', 'apply_intended', 1, 'observer', 3, NULL, '{"call":"put","body":"f367f3bdd7576ddf41025b5b126e9310b9fbd1b2","force":false,"services":[{"id":"/shop/web","spec":"e3297613e5e81b020ef8da188b8db0eb","version":"2026-11-22T10:00:20.300Z"}],"target":[],"raised":{}}', 'f4b7fd0c07f0fc0e4617968ee2a76f8d61babdf9ab8fc6fb28b87cd00868e0de', '472d30cd2bd9ec17d4fded829659546f17be74b406282a5effd494e557ed83ee');
insert into "event" values (31, '2026-11-22T10:00:30.000000Z', 'shop', 'apply_accepted', 1, 'observer', 3, NULL, '{"call":"put","marathon_deployment":"1af76395-c664-48cd-a74a-c9505f9cd004","version":"2026-11-22T10:00:30.000Z","services":["/shop/web"]}', '472d30cd2bd9ec17d4fded829659546f17be74b406282a5effd494e557ed83ee', '87b1cb1777c896dbb04e3fd41afceeb1157d73ddff91a7fa9a7feaa9884fdb33');
insert into "event" values (32, '2026-11-22T10:00:30.000000Z', 'shop', 'service_progressed', 1, 'observer', 3, NULL, '{"id":"/shop/web","stage":"starting","sentence":null}', '87b1cb1777c896dbb04e3fd41afceeb1157d73ddff91a7fa9a7feaa9884fdb33', '7b58129b6aad23983f648a5af11e921916b6651dc4e3cb0b6a184b5d376595ca');
insert into "event" values (33, '2026-11-22T10:00:31.398000Z', 'shop', 'service_progressed', 1, 'observer', 3, NULL, '{"id":"/shop/web","stage":"healthy","sentence":null}', '7b58129b6aad23983f648a5af11e921916b6651dc4e3cb0b6a184b5d376595ca', '14667f6b0574548ac85bdccc8294b07b4b26eb56649bc0b90ab2708a05dd0269');
insert into "event" values (34, '2026-11-22T10:00:31.398000Z', 'shop', 'deploy_succeeded', 1, 'observer', 3, NULL, '{"services":[{"id":"/shop/web","change":"update","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"c24964602e0720b58a94b18f0d2aee73"}],"orphans":[],"sentence":"1 service changed, all healthy"}', '14667f6b0574548ac85bdccc8294b07b4b26eb56649bc0b90ab2708a05dd0269', 'dff3416d4b52d5ef4c1056c1d3911d5373097d7a4b21e5835c9ee3a17b26c2c8');
insert into "event" values (35, '2026-11-22T10:00:40.300000Z', 'shop', 'push_received', 1, 'github:ana', NULL, 'delivery:d796e46c145e0bdb5b6d768ccff7771a', '{"via":"webhook","delivery":"d796e46c145e0bdb5b6d768ccff7771a","ref":"refs/heads/main","before":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","after":"38ecf16337b9cbd9c09d6dca3ec05a32885457c6","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"17c6b23898bbc340685bce1b279edfa80ee772852ac712a6c022c79124cad516","contains_rolled_back":["e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"]}', 'dff3416d4b52d5ef4c1056c1d3911d5373097d7a4b21e5835c9ee3a17b26c2c8', '72f47ae15d0d5abbc461f7d8458186f53b91d38674ca52ce98bd47b10997a4d6');
insert into "event" values (36, '2026-11-22T10:00:40.300000Z', 'shop', 'push_held', 1, 'github:ana', NULL, NULL, '{"commit":"38ecf16337b9cbd9c09d6dca3ec05a32885457c6","code":"pinned","sentence":"pinned at 8ddfb4a by operator:ana since 2026-11-22T10:00:30.000000Z (because); it stays there until somebody resumes"}', '72f47ae15d0d5abbc461f7d8458186f53b91d38674ca52ce98bd47b10997a4d6', 'cd8066bf532a57ead3bcfb80eaa8ed5e59d29298bb69f64aafc6f5f59b32a730');
insert into "app" values ('shop', 1, 'main', 0, '{"id":"shop","source":{"repository_id":1,"repository":"acme/r1","branch":"main"},"settings":{"prune":false,"deadline":null},"registered_at":"2026-11-22T10:00:00.000000Z","destroyed":false,"destroying":null,"head":{"commit":"38ecf16337b9cbd9c09d6dca3ec05a32885457c6","seen_at":"2026-11-22T10:00:40.300000Z","previous":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"},"held":{"commit":"38ecf16337b9cbd9c09d6dca3ec05a32885457c6","code":"pinned","sentence":"pinned at 8ddfb4a by operator:ana since 2026-11-22T10:00:30.000000Z (because); it stays there until somebody resumes"},"pin":{"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","deploy":1,"by":"operator:ana","reason":"because","since":"2026-11-22T10:00:30.000000Z","resume":"manual","head":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","seq":25},"lock":null,"live":{"deploy":3,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","since":"2026-11-22T10:00:31.398000Z"},"running":null,"waiting":null,"last_deploy":3,"trouble":null,"services":{"/shop/web":{"applied":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"dirty":false,"rendering":"c24964602e0720b58a94b18f0d2aee73","deploy":3,"adopted":false,"scale":null}},"orphans":[],"drift":[],"hook":{"id":1,"url":"http://node:8849/dploy","registered_at":"2026-11-22T10:00:00.000000Z","pinged_at":"2026-11-22T10:00:00.000000Z","pinged":1,"failure":null},"marathon":[],"rolled_back":["e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"],"last_seq":36}');
insert into "deploy" values ('shop', 1, '8ddfb4afcde8076b574201d14d317f39642c1b96', 'succeeded', '{"number":1,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"push","before":null,"specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"operator:ana","state":"succeeded","queued_at":"2026-11-22T10:00:00.000000Z","started_at":"2026-11-22T10:00:00.000000Z","ended_at":"2026-11-22T10:00:00.256000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"plan":[{"id":"/shop/web","change":"create","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:00.000000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"3d58bb03-f31a-4686-8763-de764d6fe1b0","version":"2026-11-22T10:00:00.000Z","services":["/shop/web"]}],"raised":{},"progress":{"/shop/web":{"stage":"healthy","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":"1 service changed, all healthy","outcome":[{"id":"/shop/web","change":"create","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"c24964602e0720b58a94b18f0d2aee73"}]}');
insert into "deploy" values ('shop', 2, 'e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92', 'succeeded', '{"number":2,"commit":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","cause":"push","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","specs_of":null,"only":null,"scale":"keep","force":false,"reason":null,"actor":"github:ana","state":"succeeded","queued_at":"2026-11-22T10:00:20.300000Z","started_at":"2026-11-22T10:00:20.300000Z","ended_at":"2026-11-22T10:00:21.488000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"1cd612b78a207ce2bc84b74f88a19c827bfc7825"}],"plan":[{"id":"/shop/web","change":"update","spec":"04e42eadbf3b42e41134cfe82c67f43e","instances":2}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:20.300000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"9a0508b2-cd06-4831-aa77-99127b9e31c8","version":"2026-11-22T10:00:20.300Z","services":["/shop/web"]}],"raised":{},"progress":{"/shop/web":{"stage":"healthy","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":"1 service changed, all healthy","outcome":[{"id":"/shop/web","change":"update","new":2,"old":0,"spec":"04e42eadbf3b42e41134cfe82c67f43e","instances":2,"rendering":"38fb033e49f5fc25e23b51c14ed00546"}]}');
insert into "deploy" values ('shop', 3, '8ddfb4afcde8076b574201d14d317f39642c1b96', 'succeeded', '{"number":3,"commit":"8ddfb4afcde8076b574201d14d317f39642c1b96","cause":"rollback","before":null,"specs_of":1,"only":null,"scale":"keep","force":false,"reason":"because","actor":"operator:ana","state":"succeeded","queued_at":"2026-11-22T10:00:30.000000Z","started_at":"2026-11-22T10:00:30.000000Z","ended_at":"2026-11-22T10:00:31.398000Z","waiting":null,"files":[{"path":"dploy.app","blob":"34d14b9ed16a83e7daa755da3943dbe6a3160c24"},{"path":"specs/s0.json","blob":"f81b5bd2428fae013288f9410e7ea0aeedec6fb2"}],"plan":[{"id":"/shop/web","change":"update","spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2}],"warnings":[],"intent":null,"intent_at":"2026-11-22T10:00:30.000000Z","touched":true,"accepted":[{"call":"put","marathon_deployment":"1af76395-c664-48cd-a74a-c9505f9cd004","version":"2026-11-22T10:00:30.000Z","services":["/shop/web"]}],"raised":{},"progress":{"/shop/web":{"stage":"healthy","sentence":null}},"progress_events":2,"ending":null,"failure":null,"superseded_by":null,"sentence":"1 service changed, all healthy","outcome":[{"id":"/shop/web","change":"update","new":2,"old":0,"spec":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"rendering":"c24964602e0720b58a94b18f0d2aee73"}]}');
insert into "push" values (2, 'shop', '2026-11-22T10:00:00.000000Z', '8ddfb4afcde8076b574201d14d317f39642c1b96', NULL, 'queued as #3', '{"via":"poll","delivery":null,"ref":"refs/heads/main","before":null,"after":"8ddfb4afcde8076b574201d14d317f39642c1b96","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":null,"body":null,"contains_rolled_back":[]}');
insert into "push" values (14, 'shop', '2026-11-22T10:00:20.300000Z', 'e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92', '6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753', 'queued as #2', '{"via":"webhook","delivery":"7e23be5ed58028b9dc4aeda7f34aaa02","ref":"refs/heads/main","before":"8ddfb4afcde8076b574201d14d317f39642c1b96","after":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"6e05580183b04beb075e9a28fc633876bb7efe816e7b2bb474808391ea4a4753","contains_rolled_back":[]}');
insert into "push" values (35, 'shop', '2026-11-22T10:00:40.300000Z', '38ecf16337b9cbd9c09d6dca3ec05a32885457c6', '17c6b23898bbc340685bce1b279edfa80ee772852ac712a6c022c79124cad516', 'held: pinned', '{"via":"webhook","delivery":"d796e46c145e0bdb5b6d768ccff7771a","ref":"refs/heads/main","before":"e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92","after":"38ecf16337b9cbd9c09d6dca3ec05a32885457c6","forced":false,"commit":{"message":"a change","author":"Ana","url":null},"pusher":"ana","body":"17c6b23898bbc340685bce1b279edfa80ee772852ac712a6c022c79124cad516","contains_rolled_back":["e6e0d27f59aa0df82ef4d200bd9ea889aa39ba92"]}');
insert into "service" values ('shop', '/shop/web', '{"applied":"e3297613e5e81b020ef8da188b8db0eb","instances":2,"dirty":false,"rendering":"c24964602e0720b58a94b18f0d2aee73","deploy":3,"adopted":false,"scale":null}');
insert into "blob" values ('34d14b9ed16a83e7daa755da3943dbe6a3160c24', 50, X'6170705F6E616D653A2073686F700A6D61726174686F6E5F75726C3A20687474703A2F2F6D61726174686F6E3A383038300A');
insert into "blob" values ('f81b5bd2428fae013288f9410e7ea0aeedec6fb2', 342, X'7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('f367f3bdd7576ddf41025b5b126e9310b9fbd1b2', 420, X'5B7B22636D64223A2277656C6C2031222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A6533323937363133653565383162303230656638646131383862386462306562227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D5D');
insert into "blob" values ('1cd612b78a207ce2bc84b74f88a19c827bfc7825', 342, X'7B22636D64223A2277656C6C2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D');
insert into "blob" values ('c615891ba7dd8e8f6d23241b046a6cf2b29177cc', 420, X'5B7B22636D64223A2277656C6C2032222C2263707573223A302E30312C226865616C7468436865636B73223A5B7B226772616365506572696F645365636F6E6473223A31352C22696E74657276616C5365636F6E6473223A312C226D6178436F6E73656375746976654661696C75726573223A332C2270617468223A222F222C22706F7274496E646578223A302C2270726F746F636F6C223A2248545450222C2274696D656F75745365636F6E6473223A317D5D2C226964223A222F73686F702F776562222C22696E7374616E636573223A322C226C6162656C73223A7B2244504C4F59223A2273686F70222C2244504C4F595F53504543223A22313A3034653432656164626633623432653431313334636665383263363766343365227D2C226D656D223A31362C22706F7274446566696E6974696F6E73223A5B7B22706F7274223A302C2270726F746F636F6C223A22746370227D5D2C22757067726164655374726174656779223A7B226D6178696D756D4F7665724361706163697479223A312E302C226D696E696D756D4865616C74684361706163697479223A312E307D7D5D');
insert into "token" values ('ana', '53211cfd8ed836277b704d0c472d6dfca6a8f940e454971a57daf68cfc5f450e', '2026-11-22T10:00:00.000000Z');
insert into "token" values ('ben', 'e2578bd445c2e75fae36e20a1f9cb34a3a2be234b17f75de0a75e14d5b269fc6', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('fingerprint', 'efde23cd51bb8fdb42ea5750fb377b43293804bc02786a9793215088be61a8c5', '2026-11-22T10:00:00.000000Z');
insert into "secret" values ('hook:1', 'e8d093209aaf384dd451a75897b59c5a0d69b8d84086ed4519e27d24ce2fc66b', '2026-11-22T10:00:00.000000Z');
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
